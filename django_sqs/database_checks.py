"""System checks of databases: what is written to them must be committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import connections, router

NEVER_COMMITTED = "django_sqs.E006"
RECEIVERS_COMMIT = "django_sqs.W013"
OURS = "django_sqs."


@register("django_sqs")
def check_commits(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """No database that is written to here leaves it to others to commit."""
    return list(_uncommitted())


def _uncommitted() -> Iterator[CheckMessage]:
    for alias, settings in connections.settings.items():
        if settings.get("AUTOCOMMIT", True):
            continue
        hint = f"Remove AUTOCOMMIT from DATABASES[{alias!r}]."
        if written := _written_to(alias):
            yield Error(
                f"Database {alias!r} has AUTOCOMMIT = False, so nobody commits what "
                f"{', '.join(written)} writes to it: it is lost, and its messages are deleted.",
                hint=hint,
                obj=alias,
                id=NEVER_COMMITTED,
            )
        else:
            yield CheckWarning(
                f"Database {alias!r} has AUTOCOMMIT = False: what a receiver writes to it is "
                "lost, unless the receiver commits it.",
                hint=hint,
                obj=alias,
                id=RECEIVERS_COMMIT,
            )


def _written_to(alias: str) -> list[str]:
    """The apps of the library's that write to a database."""
    writers = {
        model._meta.app_config.name
        for model in apps.get_models()
        if model._meta.app_config is not None
        and f"{model._meta.app_config.name}.".startswith(OURS)
        and router.db_for_write(model) == alias
    }
    return sorted(writers)
