"""System checks: settings and queue names that cannot work, with the mend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from django_sqs_kombu.exceptions import QueueNameError

from .conf import conf
from .inventory import targets
from .registry import receivers

SETTING = "django_sqs.E001"
QUEUE_NAME = "django_sqs.E002"
CLASH = "django_sqs.E003"


@register("django_sqs")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every setting has a value that can work."""
    return [
        Error(problem.text, hint=problem.hint, obj=problem.setting, id=SETTING)
        for problem in conf.problems()
    ]


@register("django_sqs")
def check_queue_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every queue has a name that SQS takes, and one of its own."""
    found: list[CheckMessage] = []
    users: dict[str, list[str]] = defaultdict(list)
    for target in targets(receivers.select()):
        try:
            users[target.full_name].append(target.label)
        except QueueNameError as exc:
            found.append(
                Error(
                    str(exc),
                    hint="Shorten queue_name, the suffix or SQS_QUEUE_PREFIX.",
                    obj=target.label,
                    id=QUEUE_NAME,
                )
            )
    for name, labels in users.items():
        if len(labels) > 1:
            found.append(
                Error(
                    f"{' and '.join(labels)} are all the queue {name!r} in SQS.",
                    hint="Give one of them another queue_name or suffix.",
                    obj=labels[0],
                    id=CLASH,
                )
            )
    return found
