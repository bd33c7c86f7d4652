"""Choices: what a person may do with failed messages, each behind a permission."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from ..operations.asking import ask_within
from .deciding import Decided, discard, send_again
from .models import Failure

#: Messages that are decided about while the browser waits; the rest at the next click.
MOST = 1_000
#: Seconds that a page waits for SQS; web servers give up a worker after 30.
PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to do with failed messages that wait.

    :param permission: what the user needs.
    :param label: what its button says.
    :param asks: what is asked before; %s is which messages, such as "these 5".
    :param asks_one: what is asked of a single one.
    :param says: what was done; %s is how many.
    :param run: does it, for somebody.
    """

    permission: str
    label: str
    asks: str
    asks_one: str
    says: str
    run: Callable[[QuerySet[Failure], str, str | None], Decided]


def _send(rows: QuerySet[Failure], by: str, text: str | None) -> Decided:
    def ask(name: str, question: Callable[[], Any]) -> Any:
        return ask_within(PATIENCE, name, question)

    return send_again(rows, by=by, limit=MOST, ask=ask, text=text)


def _discard(rows: QuerySet[Failure], by: str, text: str | None) -> Decided:
    return discard(rows, by=by, limit=MOST)


CHOICES = {
    "send": Choice(
        "django_sqs_failures.send_failure",
        "Send again",
        "Send %s messages again, to where they came from?",
        "Send this message again, to where it came from?",
        "Sent again: %s.",
        _send,
    ),
    "discard": Choice(
        "django_sqs_failures.discard_failure",
        "Discard",
        "Discard %s messages? They are not run again.",
        "Discard this message? It is not run again.",
        "Discarded: %s.",
        _discard,
    ),
}
