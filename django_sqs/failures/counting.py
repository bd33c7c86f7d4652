"""Counting: how many failed messages wait for a decision, for a worker's metrics."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import Error, transaction
from django.db.models import Sum

from django_sqs_kombu.logs import get_logger

from ..connections import alias_of, leaving_no_connection
from ..database_errors import as_database_errors
from ..not_migrated import NotMigrated, migrated, told
from ..optional import Gauge
from .models import Failure, FailureGroup

logger = get_logger(__name__)


def gauges() -> Iterator[Gauge]:
    """The metric; nothing while the database is away."""
    waiting = Gauge(
        "django_sqs_failures_waiting", "Failed messages that wait for a decision.", ("queue",)
    )
    try:
        with as_database_errors():
            found = leaving_no_connection(waiting_by_queue)
        waiting.values = {(name,): float(count) for name, count in found.items()}
    except (Error, NotMigrated) as exc:
        logger.warning("The number of failed messages is unknown: %s", told(exc))
        return
    yield waiting


def waiting_by_queue() -> dict[str, int]:
    """How many failed messages of each queue wait for a decision.

    :raises NotMigrated: the database has no such table yet.
    :raises django.db.Error: it is away.
    """
    using = alias_of(Failure)
    groups = FailureGroup.objects.using(using).order_by()
    # On PostgreSQL an error would spoil the transaction around it, such as a request's.
    with migrated("django_sqs.failures", using), transaction.atomic(using=using):
        return dict(groups.values_list("queue_name").annotate(Sum("waiting")))
