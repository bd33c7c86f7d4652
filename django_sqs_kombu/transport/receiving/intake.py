"""Intake: takes in what ReceiveMessage returned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ...exceptions import PayloadUnavailable, SQSError
from ...logs import get_logger
from ...names import FIFO
from ...new_threads import start_thread
from ...printable import repr_of
from ..body.payloads import LargePayloads
from ..holding.held import Held, State
from ..holding.table import HeldMessages
from ..sending.delays import hiding, seconds_until_due, send_on
from ..settling.keeper import Keeper
from ..sqs.received import Message
from ..sqs.requests import Requests
from .polls import Poll

logger = get_logger(__name__)


class Receiver(Protocol):
    """What receives from a queue: a poller."""

    queue: str
    #: Bounds how many messages are for its consumer.
    limit: Any

    def announce(self, held: Sequence[Held]) -> None:
        """Say that these have come, and have their bodies."""


class Intake:
    """Holds what was received, sends on what is not due yet, and reads bodies.

    :param requests: what sends on.
    :param table: where it is held.
    :param keeper: what renews and settles it.
    :param payloads: what reads bodies that are kept in S3.
    """

    def __init__(
        self,
        requests: Requests,
        table: HeldMessages,
        keeper: Keeper,
        payloads: LargePayloads,
    ) -> None:
        self._requests = requests
        self._table = table
        self._keeper = keeper
        self._payloads = payloads

    def take_in(
        self, receiver: Receiver, received: Sequence[Message], poll: Poll, *, late: bool
    ) -> tuple[int, int]:
        """Take in what *poll* brought; return the bytes of it, and how much is for a consumer.

        :param receiver: is told what of it has its body.
        :param late: as for :meth:`hold`.
        """
        queue, size = receiver.queue, self.size(received)
        held = self.hold(queue, received, poll.seconds, late=late, receiver=receiver)
        # A server may answer more than it was asked for, which a limit must not run.
        taken = held if receiver.limit is None else held[: poll.asked]
        self.read_all(taken, receiver.announce, in_order=queue.endswith(FIFO))
        self._keeper.release(reversed(held[len(taken) :]))
        return size, len(taken)

    def hold(
        self,
        queue: str,
        received: Sequence[Message],
        seconds: int,
        state: State = State.WAITING,
        *,
        late: bool = False,
        receiver: object = None,
    ) -> list[Held]:
        """Hold what was received; return what of it is for a consumer.

        :param seconds: the visibility timeout that it was received with.
        :param late: whether the answer was long on its way.  SQS counts from when it took the
            messages, so they are renewed before anybody relies on their leases.
        :param receiver: what received it, and gives it back should it wait in vain.
        """
        now = time.monotonic()
        new = [Held(queue, message, seconds, now, receiver=receiver) for message in received]
        if late and new:
            new = self._renewed(queue, new)
        new = self._table.receive_all(queue, new, state)
        self._keeper.keep(new)
        early = [
            (held, left)
            for held in new
            if held.attributed and (left := seconds_until_due(queue, held.message))
        ]
        if not early:
            return new
        self._send_on(queue, early)
        sent_on = {held.tag for held, _ in early}
        return [held for held in new if held.tag not in sent_on]

    def read_all(
        self,
        held: Sequence[Held],
        announce: Callable[[Sequence[Held]], None],
        *,
        in_order: bool = False,
    ) -> None:
        """Read the bodies of held messages, and announce those that have their own.

        Those in S3 are read in another thread: an S3 that hangs must hold up neither the others
        that have come, nor a stop.  Until it is read, or put off, each takes the place of a free
        receiver.

        :param in_order: announce none before those that came before it.
        """
        apart = [e for e in held if e.attributed and not self._payloads.has_own_body(e.message)]
        if not apart:
            announce(held)
            return
        if in_order:
            apart = list(held[held.index(apart[0]) :])
        announce([each for each in held if each not in apart])

        def read_apart() -> None:
            for each in apart:
                # Those that were given back meanwhile are read by who gets them next.
                if each.state is State.WAITING:
                    each.reading = True
                    self.read(each)
                    announce([each])
                    each.reading = False

        try:
            start_thread(threading.Thread(target=read_apart, name="sqs-payloads", daemon=True))
        except RuntimeError:
            # No thread to be had now.
            read_apart()

    def takes_time(self, queue: str, received: Sequence[Message]) -> bool:
        """Whether to take in what was received needs requests."""
        attributed = [message for message in received if message.get("MessageAttributes")]
        return any(seconds_until_due(queue, message) for message in attributed)

    def size(self, received: Sequence[Message]) -> int:
        """Bytes that the bodies of received messages take, as far as they say."""
        return sum(
            [
                self._payloads.size(each) if each.get("MessageAttributes") else len(each["Body"])
                for each in received
            ]
        )

    def read(self, held: Held) -> None:
        """Read the body of a held message, before anything deletes it."""
        try:
            held.body = self._payloads.body(held.message)
        except SQSError as exc:
            held.error = exc
        except Exception as exc:
            logger.exception("The payload of message %s cannot be read", held.message_id)
            held.error = PayloadUnavailable(f"The payload cannot be read: {repr_of(exc)}")

    def _renewed(self, queue: str, held: list[Held]) -> list[Held]:
        """Renew leases whose age nobody knows; return those that are still ours."""
        seconds = [int(each.seconds) for each in held]
        try:
            errors = self._requests.change_visibility_batch(
                queue, [each.message for each in held], seconds
            )
        except SQSError as exc:
            logger.warning(
                "The age of %d leases of queue %s cannot be checked: %s", len(held), queue, exc
            )
            return held
        return [
            each
            for each, error in zip(held, errors, strict=True)
            if error is None or not error.lost
        ]

    def _send_on(self, queue: str, early: list[tuple[Held, float]]) -> None:
        errors = send_on(self._requests, queue, [(held.message, left) for held, left in early])
        for (held, left), error in zip(early, errors, strict=True):
            if error is None:
                # The payload, where it is in S3, now belongs to the message that was sent.
                self._keeper.delete(held, with_payload=False)
            else:
                self._keeper.hide(held, hiding(left))
