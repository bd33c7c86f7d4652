"""System checks of databases: they commit what is written, and have the rows that queues name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import connections, router

from .registry import receivers

NEVER_COMMITTED = "django_sqs.E006"
RECEIVERS_COMMIT = "django_sqs.W013"
ALIKE = "django_sqs.W028"
NO_ROWS = "django_sqs.W030"
OURS = "django_sqs."
#: The models that know queues by their names, and what there is of each queue in them.
_OF_QUEUES = {
    "django_sqs_monitor.QueueMinute": "figures in the monitor",
    "django_sqs_failures.FailureGroup": "numbers of failed messages",
    "django_sqs_outbox.OutboxMessage": "numbers of messages in the outbox",
}


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


@register("django_sqs")
def check_rows(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The databases and models are there whose rows the messages of a queue may name."""
    found: list[CheckMessage] = []
    for queue in receivers.select():
        for alias in sorted(set(getattr(queue, "databases", ())) - set(connections.settings)):
            found.append(
                CheckWarning(
                    f"Queue {queue.name!r} is registered with databases= for {alias!r}, which is "
                    "not in DATABASES.",
                    hint=f"The aliases are {', '.join(connections.settings)}.",
                    obj=queue.name,
                    id=NO_ROWS,
                )
            )
        for label in sorted(getattr(queue, "models", None) or ()):
            if _has_rows(label):
                continue
            found.append(
                CheckWarning(
                    f"Queue {queue.name!r} is registered with models= for {label!r}, but no such "
                    "model is installed.",
                    hint="Labels are written 'app_label.ModelName'.",
                    obj=queue.name,
                    id=NO_ROWS,
                )
            )
    return found


def _has_rows(label: str) -> bool:
    # As messages find it: also where Django has made it for a relation.
    try:
        return not apps.get_model(label)._meta.swapped
    except LookupError:
        return False


@register("django_sqs")
def check_queue_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """No database takes a queue for another."""
    added = [what for model, what in _OF_QUEUES.items() if _ignores_case(model)]
    if not added:
        return []
    return [
        CheckWarning(
            f"Queues {one!r} and {other!r} have the same name for MySQL and MariaDB, whose usual "
            f"collations ignore case: their {' and '.join(added)} are added together.",
            hint="Give one of them another name.",
            obj=other,
            id=ALIKE,
        )
        for one, other in combinations(sorted(receivers.queues), 2)
        if one.casefold() == other.casefold()
    ]


def _ignores_case(model: str) -> bool:
    """Whether a model is installed, in a database that may not tell "a" from "A"."""
    app, name = model.split(".")
    if app not in apps.app_configs:
        return False
    return connections[router.db_for_write(apps.get_model(app, name))].vendor == "mysql"
