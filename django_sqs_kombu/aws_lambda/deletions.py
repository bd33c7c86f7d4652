"""Deletions: what becomes of a message that is done, where Lambda deletes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..transport import Channel
from ..transport.holding.held import Held, State
from ..transport.settling.keeper import Told
from ..transport.sqs.received import Message


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

    def leave(self, held: Held) -> None:
        """A receiver starts on a message: when it is done, Lambda deletes it."""
        if self._channel.payloads.pointer(held.message) is None:
            self._left.add(held.tag)

    def begin(self, queue: str, messages: Sequence[Message], done: Told) -> object:
        """Begin the deletion of messages, all of which is written down that is to be."""
        self._done.update(message["MessageId"] for message in messages)
        if all(message["ReceiptHandle"] in self._left for message in messages):
            done([None] * len(messages))
            return None
        return self._begin(queue, messages, done)

    def ids(self, held: Iterable[Held]) -> set[str]:
        """The ids of all that is done, by now."""
        now = {each.message_id for each in held if _is_deleted(each)}
        return self._done | now

    def forget(self) -> None:
        """An invocation has ended."""
        self._left.clear()
        self._done.clear()


def _is_deleted(held: Held) -> bool:
    """Whether it was deleted before its receiver ran, or by its receiver."""
    return held.deleted and held.state is State.GONE and held.note is None
