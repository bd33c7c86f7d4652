"""System checks of the outbox: ``manage.py check --database=default``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import Error, transaction

from ..conf import conf
from ..connections import connect
from ..counted import counted
from .backlog import Backlog, backlog
from .databases import Tables

OLD = "django_sqs_outbox.W001"
FAILED = "django_sqs_outbox.W002"


@register(Tags.database)
def check_outbox(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Nothing waits for long, and nothing has failed."""
    wanted = set(databases or ())
    found: list[CheckMessage] = []
    for database in Tables().databases() if wanted else ():
        if database in wanted:
            for each in _backlog(database):
                found += _warnings(database, each)
    return found


def _backlog(database: str) -> list[Backlog]:
    try:
        connect(database)
        # An error spoils a transaction around it.
        with transaction.atomic(using=database):
            return backlog(database)
    except Error:
        # Not migrated yet; "migrate" runs this check, too.
        return []


def _warnings(database: str, found: Backlog) -> list[CheckMessage]:
    warnings: list[CheckMessage] = []
    if found.age > conf.outbox_max_age:
        warnings.append(
            CheckWarning(
                f"The outbox of {database!r} has {counted(found.waiting, 'message')} for queue "
                f"{found.queue_name!r}, the oldest for {found.age:.0f} s.",
                hint="Run runreceiver or sqs_relay; the rows say why they could not be sent "
                "(SQS_OUTBOX_MAX_AGE).",
                obj=found.queue_name,
                id=OLD,
            )
        )
    if found.failed:
        warnings.append(
            CheckWarning(
                f"The outbox of {database!r} has given up on {counted(found.failed, 'message')} "
                f"for queue {found.queue_name!r}.",
                hint="Look at their errors in the admin; send them again from there, or delete "
                "them.",
                obj=found.queue_name,
                id=FAILED,
            )
        )
    return warnings
