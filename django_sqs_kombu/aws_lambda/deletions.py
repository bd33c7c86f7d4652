"""Deletions: what becomes of a message that is done, where Lambda deletes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ..exceptions import RequestFailed
from ..logs import get_logger
from ..quotas import MAX_MESSAGES
from ..transport import Channel
from ..transport.holding.held import Held, State
from ..transport.settling.keeper import Told
from ..transport.sqs.failures import can_be_put_right
from ..transport.sqs.received import Message
from ..transport.sqs.tries import PAUSES
from ..transport.sqs.waits import is_worth_another

logger = get_logger(__name__)


class Deletions:
    """Leaves to Lambda, which is told at the end, the messages whose receivers are done.

    What has a payload in S3 is deleted at once all the same, since its payload is to go after it.
    So is what lives on as another message: should the function break off before its end, Lambda
    would deliver it beside the other.

    :param channel: that they came by; it settles them as a worker does, but for the request.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._begin = channel.keeper.begin_delete
        channel.keeper.begin_delete = self.begin
        self._left: set[str] = set()
        self._done: set[str] = set()
        #: What Lambda is to delete, by its queue.
        self._lambdas: dict[str, list[Message]] = {}

    def leave(self, held: Held) -> None:
        """A receiver starts on a message: when it is done, Lambda deletes it."""
        if self._channel.payloads.pointer(held.message) is None:
            self._left.add(held.tag)

    def begin(self, queue: str, messages: Sequence[Message], done: Told) -> object:
        """Begin the deletion of messages, all of which is written down that is to be."""
        self._done.update(message["MessageId"] for message in messages)
        if all(message["ReceiptHandle"] in self._left for message in messages):
            self._lambdas.setdefault(queue, []).extend(messages)
            done([None] * len(messages))
            return None
        return self._begin(queue, messages, done)

    def ids(self, held: Iterable[Held]) -> set[str]:
        """The ids of all that is done, by now."""
        now = {each.message_id for each in held if _is_deleted(each)}
        return self._done | now

    def make(self) -> None:
        """Delete what was left to Lambda, which is going to delete nothing."""
        for queue, messages in self._lambdas.items():
            for start in range(0, len(messages), MAX_MESSAGES):
                self._delete(queue, messages[start : start + MAX_MESSAGES])

    def _delete(self, queue: str, messages: Sequence[Message]) -> None:
        """Delete up to ten messages, and once more those that SQS did not for the moment."""
        left = self._not_deleted(queue, messages)
        for pause in PAUSES:
            if not (any(can_be_put_right(each[1]) for each in left) and is_worth_another(pause)):
                break
            time.sleep(pause)
            again = [message for message, error in left if can_be_put_right(error)]
            left = [each for each in left if not can_be_put_right(each[1])]
            left += self._not_deleted(queue, again)
        for message, error in left:
            name = message["MessageId"]
            logger.warning(
                "Message %s of queue %s is done, but could not be deleted and will be delivered "
                "again: %s",
                name,
                queue,
                error,
            )

    def _not_deleted(
        self, queue: str, messages: Sequence[Message]
    ) -> list[tuple[Message, RequestFailed]]:
        """Delete messages; return those that SQS did not delete, each with the reason."""
        errors: Sequence[RequestFailed | None]
        try:
            errors = self._channel.requests.delete_batch(queue, messages)
        except RequestFailed as exc:
            errors = [exc] * len(messages)
        pairs = zip(messages, errors, strict=True)
        return [(message, error) for message, error in pairs if error is not None]

    def forget(self) -> None:
        """An invocation has ended."""
        self._left.clear()
        self._done.clear()
        self._lambdas.clear()


def _is_deleted(held: Held) -> bool:
    """Whether it was deleted before its receiver ran, or by its receiver."""
    return held.deleted and held.state is State.GONE and held.note is None
