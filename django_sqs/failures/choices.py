"""Choices: what a person may do with failed messages, each behind a permission."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from django_sqs_kombu.exceptions import SQSError

from ..language import Text
from ..operations.asking import ENOUGH, ask_within
from .deciding import Decided, discard, send_again
from .models import Failure

#: Messages that are decided about while the browser waits; the rest at the next click.
MOST = 1_000
#: Seconds that a page waits for each answer of SQS or S3, and at least, where others were slow.
PATIENCE, LEAST = 15.0, 5.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to do with failed messages that wait.

    :param permission: what the user needs.
    :param label: what its button says.
    :param asks: what is asked before, of so many messages.
    :param asks_some: the same, where there are more than are decided about at once.
    :param asks_left: what is asked, in place of it or as well, of so many that were left to SQS;
        None: it is not done with these.
    :param says: what was done with so many.
    :param deletes: whether nothing brings them back, so that its button is red.
    :param run: does it, for somebody.
    """

    permission: str
    label: Text
    asks: Any
    asks_some: Text
    says: Any
    run: Callable[[QuerySet[Failure], str, str | None], Decided]
    deletes: bool = False
    asks_left: Any = None

    def question(self, waiting: int, left: int) -> str:
        """What is asked before it is done with so many messages.

        :param left: how many others were left to SQS.
        """
        asked = []
        if waiting or not left:
            asks = self.asks_some if waiting > MOST else self.asks
            asked.append(str(asks % {"count": waiting, "most": MOST}))
        if left and self.asks_left is not None:
            asked.append(str(self.asks_left % {"count": min(left, MOST)}))
        return " ".join(asked)


def _send(rows: QuerySet[Failure], by: str, text: str | None) -> Decided:
    decided, ends = Decided(), time.monotonic() + ENOUGH

    def ask(name: str, question: Callable[[], Any]) -> Any:
        left = ends + PATIENCE - time.monotonic()
        return ask_within(max(LEAST, min(PATIENCE, left)), name, question)

    try:
        return send_again(
            rows,
            by=by,
            limit=MOST,
            ask=ask,
            text=text,
            decided=decided,
            goes_on=lambda: time.monotonic() < ends,
        )
    except SQSError as exc:
        decided.failure = exc
        return decided


def _discard(rows: QuerySet[Failure], by: str, text: str | None) -> Decided:
    return discard(rows, by=by, limit=MOST)


CHOICES = {
    "send": Choice(
        "django_sqs_failures.send_failure",
        _("Send again"),
        ngettext_lazy(
            "Send this message again, to where it came from?",
            "Send these %(count)d messages again, to where they came from?",
            "count",
        ),
        _("Send %(most)d of the %(count)d messages again, to where they came from?"),
        ngettext_lazy("Sent again: %(count)d message.", "Sent again: %(count)d messages.", "count"),
        _send,
    ),
    "discard": Choice(
        "django_sqs_failures.discard_failure",
        _("Discard"),
        ngettext_lazy(
            "Discard this message? It will not be run again.",
            "Discard these %(count)d messages? They will not be run again.",
            "count",
        ),
        _("Discard %(most)d of the %(count)d messages? They will not be run again."),
        ngettext_lazy("Discarded: %(count)d message.", "Discarded: %(count)d messages.", "count"),
        _discard,
        deletes=True,
        asks_left=ngettext_lazy(
            "Discard the record of %(count)d message that was left to SQS? Nothing is deleted in "
            "SQS.",
            "Discard the records of %(count)d messages that were left to SQS? Nothing is deleted "
            "in SQS.",
            "count",
        ),
    ),
}
