"""System checks of policies: receivers that delete what fails, what SQS cuts short, and limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

from django_sqs_kombu.names import FIFO
from django_sqs_kombu.registration import DEFAULT_MAX_RECEIVES, RegisteredQueue
from django_sqs_kombu.working import DELETE, NotesEnds

from .problems import problems
from .registry import receivers

DELETES = "django_sqs.W007"
CUT_SHORT = "django_sqs.W008"
NOWHERE = "django_sqs.W009"
UNSHARED = "django_sqs.W014"


@register("django_sqs")
def check_policies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What fails is not lost unawares, and has the tries that are promised."""
    if any(problem.stops_commands for problem in problems()):
        return []
    queues = [queue for queue in receivers.select() if queue.receiver]
    found = [each for queue in queues for each in _of_queue(queue)]
    # One for all: every command prints it.
    deleting = [queue.name for queue in queues if _deletes_unawares(queue)]
    return [*_of_deleting(deleting), *found]


def _deletes_unawares(queue: RegisteredQueue) -> bool:
    policy = queue.policy
    # The end of a task is noted as its result.
    noted = isinstance(queue.receiver, NotesEnds)
    meant = noted or queue.delete_on_start or policy.on_error == DELETE
    return not (queue.dead_letter_queue or policy.retry or meant)


def _of_deleting(names: Sequence[str]) -> Iterator[CheckMessage]:
    if not names:
        return
    listed = ", ".join(map(repr, names))
    if _failures_are_kept():
        yield CheckWarning(
            f"Messages whose receiver fails are not retried: they are deleted from SQS, and kept "
            f"by django_sqs.failures. Queues: {listed}.",
            hint="Give the queues retry=Retry(...), or set SQS_RETRY for all; or confirm it: "
            "on_error='delete'.",
            id=DELETES,
        )
    else:
        yield CheckWarning(
            f"Messages whose receiver fails are deleted. Queues: {listed}.",
            hint="Give the queues retry=Retry(...) or dead_letter_queue=..., or set SQS_RETRY for "
            "all; or confirm it: on_error='delete'.",
            id=DELETES,
        )


def _failures_are_kept() -> bool:
    """Whether an installed app keeps them, with what is needed to send them again."""
    if not apps.is_installed("django_sqs.failures"):
        return False
    config: Any = apps.get_app_config("django_sqs_failures")
    return bool(config.notes and config.keep_body)


def _of_queue(queue: RegisteredQueue) -> Iterator[CheckMessage]:
    policy, dead = queue.policy, queue.dead_letter_queue
    receives = queue.options.max_receives or DEFAULT_MAX_RECEIVES
    if dead and queue.name.endswith(FIFO) and receives < policy.most_tries:
        yield CheckWarning(
            f"Queue {queue.name!r} has {policy.most_tries} tries, but SQS dead-letters a message "
            f"after {receives} receives (max_receives).",
            hint=f"Set max_receives to {policy.most_tries} or more. In a FIFO queue each receive "
            "counts.",
            obj=queue.name,
            id=CUT_SHORT,
        )
    if policy.dead_letter and not dead:
        yield CheckWarning(
            f"Queue {queue.name!r} has no dead_letter_queue for the exceptions that dead_letter= "
            "names; unless it has a redrive policy in SQS, their messages are deleted.",
            hint="Register it with dead_letter_queue=...",
            obj=queue.name,
            id=NOWHERE,
        )
    if queue.rate is not None and receivers.counter is None:
        yield CheckWarning(
            f"Queue {queue.name!r} applies its rate in each process separately, because the "
            "default cache is local to each process.",
            hint="Set CACHES to one that all workers share, such as Redis; or silence this where "
            "there is a single process.",
            obj=queue.name,
            id=UNSHARED,
        )
