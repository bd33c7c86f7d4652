"""A scope of Sentry's for each message: its tags, user and breadcrumbs are not the next one's.

Sentry's SDK keeps its scopes in context variables, but changes them in place, so a copy of the
context has the same ones.  Its own integrations fork them for each task or request, as here.
"""

from __future__ import annotations

import sys
from typing import Any

from ..logs import get_logger

logger = get_logger(__name__)


def is_imported() -> bool:
    """Whether this process may use Sentry; it is never imported here."""
    return "sentry_sdk" in sys.modules


def fork_scopes() -> None:
    """Give the current context scopes of its own, if Sentry is used.

    They need not be left, for they end with the context.  They begin with what is set for the
    whole thread or process, without the breadcrumbs of what it did before.
    """
    sentry: Any = sys.modules["sentry_sdk"]
    try:
        # Versions before 2.0 have no such scopes.
        if not hasattr(sentry, "is_initialized") or not sentry.is_initialized():
            return
        current = sentry.get_current_scope().fork()
        isolation = sentry.get_isolation_scope().fork()
        isolation.clear_breadcrumbs()
        sentry.Scope.set_current_scope(current)
        sentry.Scope.set_isolation_scope(isolation)
    except Exception as exc:  # noqa: BLE001 - a report's tags are worth no message
        logger.warning("Sentry has no scope of its own for a message: %r", exc)
