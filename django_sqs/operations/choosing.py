"""Chosen: which messages of a queue a person means, by their text or by what failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django_sqs_kombu.transport import SQSMessage, Trail
from django_sqs_kombu.working import Failure, origin_of

from ..optional import Announced
from .queues import Target

#: Tells the dotted name of the exception class that a message of a queue, named as in SQS, failed
#: with the last time, by the ids that it has had; empty: unknown.
noted_failures: Announced[Callable[[str, set[str]], str]] = Announced()


def is_of_another(target: Target, message: SQSMessage) -> bool:
    """Whether a dead letter says that it comes from another queue, which shares the dead letters.

    :param target: the queue that it would be moved back to.
    """
    return origin_of(message) not in ("", target.full_name)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Says of a message whether it is meant; all that is given must be so.

    :param target: the queue that the messages, or dead letters, are of.
    :param match: a text that the body holds, as it was sent or as SQS has it.
    :param exception: the name of the class that it failed with, with its module or without.
    """

    target: Target
    match: str | None = None
    exception: str | None = None

    def __call__(self, message: SQSMessage) -> bool:
        """Whether *message* is meant, and a dead letter of this queue."""
        if is_of_another(self.target, message):
            return False
        return self._matches(message) and self._failed_so(message)

    def _matches(self, message: SQSMessage) -> bool:
        if self.match is None or self.match in str(message.get("Body", "")):
            return True
        try:
            delivery = self.target.channel.delivery(self.target.full_name, message, settles=False)
            return self.match in delivery.text
        except Exception:  # noqa: BLE001 - one that cannot be decoded was searched as it is
            return False

    def _failed_so(self, message: SQSMessage) -> bool:
        if self.exception is None:
            return True
        failed_with = self._failed_with(message)
        return self.exception in (failed_with, failed_with.rpartition(".")[2])

    def _failed_with(self, message: SQSMessage) -> str:
        told = Failure.read(message.get("MessageAttributes"))
        if told is not None:
            return told.error
        ids = {str(message.get("MessageId")), str(Trail.received(message).id)}
        noted = (ask(self.target.full_name, ids) for ask in noted_failures.all())
        return next((each for each in noted if each), "")
