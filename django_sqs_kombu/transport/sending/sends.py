"""Group commit: sends that happen at the same time share a request."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ...posix import in_forked_children
from .dispatch import send_batch
from .lines import Line, Send

if TYPE_CHECKING:
    from ..sqs.requests import Requests


class SendBatcher:
    """Group commit: sends that happen at the same time share a SendMessageBatch.

    A lone send goes at once.  What comes while its request is under way waits for a moment, and
    then goes together with the next one, which the first of those that wait sends for all.  So
    where SQS answers fast there is one request at a time for each queue, and where it is far
    away there are several.  Of a message group of a FIFO queue there is one at a time.

    A line is never left without somebody who sends, wherever a receiver's timeout, Ctrl-C or any
    other exception strikes: those who wait look now and then, and take over.  What a thread had
    not settled when it was struck is sent again by the next one; SQS may have accepted it
    already.

    :param requests: what sends the batches.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._lines: dict[str, Line] = {}
        _batchers.add(self)

    def send(self, queue: str, params: dict[str, Any]) -> str | None:
        """Send one message; return its id when SQS has accepted it.

        :raises RequestFailed: it was not accepted.
        """
        line = self._lines.get(queue) or self._lines.setdefault(queue, Line(queue))
        mine = Send(params)
        if line.is_led_by_this_thread():
            # A signal handler or a finalizer, in the middle of this thread's own send.
            self._settle(queue, [mine])
        else:
            self._stand_in_line(queue, line, mine)
        if mine.error is not None:
            raise mine.error
        return mine.params.message_id

    def forget(self) -> None:
        """Begin anew in a forked child, which has none of the threads that send or wait."""
        self._lines = {}

    def _stand_in_line(self, queue: str, line: Line, mine: Send) -> None:
        try:
            line.waiting.append(mine)
            while not mine.settled:
                if (seconds := line.delay(mine)) > 0:
                    mine.wait(seconds)
                else:
                    self._lead(queue, line, mine)
        except BaseException:
            mine.left = True
            line.wake_next()
            raise
        finally:
            line.remove(mine)
            if not (line.waiting or line.fifo) and self._lines.get(queue) is line:
                # Reply queues come and go. Whoever still has this line goes on with it; but in
                # two of a FIFO queue one could overtake another of its group.
                self._lines.pop(queue, None)

    def _lead(self, queue: str, line: Line, mine: Send) -> None:
        turn = line.new_turn()
        with turn.held:
            if sends := line.choose(mine, turn):
                self._settle(queue, sends)
        line.end(turn)

    def _settle(self, queue: str, sends: list[Send]) -> None:
        result = send_batch(self._requests, queue, [send.params for send in sends])
        for send, error in zip(sends, result.errors, strict=True):
            if error is not None:
                error.in_doubt |= send.in_doubt
            send.error = error
            send.settled = True


_batchers: weakref.WeakSet[SendBatcher] = weakref.WeakSet()


def _forget_lines() -> None:
    for batcher in list(_batchers):
        batcher.forget()


in_forked_children(_forget_lines)
