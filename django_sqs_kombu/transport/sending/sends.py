"""Group commit: sends that happen at the same time share a request."""

from __future__ import annotations

import contextlib
import os
import queue as stdlib_queue
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from ...exceptions import RequestFailed
from ...names import FIFO
from .dispatch import next_batch, send_batch

if TYPE_CHECKING:
    from ..sqs.requests import Requests

#: Seconds after which one that waits looks whether there still is somebody who sends.
PATIENCE = 0.2


class _Send:
    """One message in a line.

    Its own thread writes ``left``, the thread that leads the line ``error`` and then
    ``settled``.
    """

    __slots__ = ("error", "left", "params", "settled", "turn")

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.error: RequestFailed | None = None
        self.settled = False
        self.left = False
        # Written in C, unlike threading.Event, whose lock an exception that strikes within
        # could leave locked.
        self.turn: stdlib_queue.SimpleQueue[None] = stdlib_queue.SimpleQueue()

    @property
    def waits(self) -> bool:
        """Whether it is still to be sent."""
        return not (self.settled or self.left)

    def wait(self) -> None:
        """Wait until it is settled, or it is this one's turn to lead, or patience ends."""
        with contextlib.suppress(stdlib_queue.Empty):
            self.turn.get(timeout=PATIENCE)

    def wake(self) -> None:
        """Have its thread look again."""
        self.turn.put(None)


class _Line:
    """The messages to one queue that wait, and the lock of the thread that sends for all.

    Whoever holds ``leading`` leads.  It is taken by ``with`` alone, which no exception can
    strike between, so it is free whenever nobody leads, however the leader ended.
    """

    __slots__ = ("leader", "leading", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Send] = deque()
        self.leading = threading.Lock()
        #: The ident of the thread that leads, or led last.
        self.leader = 0

    def gather(self, mine: _Send, fifo: bool) -> list[_Send]:
        """What goes with *mine* in one request."""
        # The copy is made at once: others append meanwhile.
        others = [send for send in self.waiting.copy() if send is not mine]
        for send in others:
            if not send.waits:
                self.remove(send)
        sends = [mine, *(send for send in others if send.waits)]
        return [sends[number] for number in next_batch([s.params for s in sends], fifo)]

    def remove(self, send: _Send) -> None:
        """Take *send* out, if it is still there."""
        with contextlib.suppress(ValueError):
            self.waiting.remove(send)

    def wake_next(self) -> None:
        """Have the first that waits lead."""
        for send in self.waiting.copy():
            if send.waits:
                send.wake()
                return


class SendBatcher:
    """Group commit: sends that happen at the same time share a SendMessageBatch.

    A lone send goes at once.  What gathers while its request is under way goes together
    with the next one, which the first of those that wait sends for all.

    A line is never left without a leader, wherever a receiver's timeout, Ctrl-C or any other
    exception strikes: those who wait look now and then whether somebody leads, and take over.
    What the leader had not settled when it was struck is sent again by the next one; SQS may
    have accepted it already.

    :param requests: what sends the batches.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._lines: dict[str, _Line] = {}
        _batchers.add(self)

    def send(self, queue: str, params: dict[str, Any]) -> None:
        """Send one message; return when SQS has accepted it.

        :raises RequestFailed: it was not accepted.
        """
        line = self._lines.get(queue) or self._lines.setdefault(queue, _Line())
        mine = _Send(params)
        if line.leading.locked() and line.leader == threading.get_ident():
            # A signal handler or a finalizer, in the middle of this thread's own send.
            self._settle(queue, [mine])
        else:
            self._stand_in_line(queue, line, mine)
        if mine.error is not None:
            raise mine.error

    def forget(self) -> None:
        """Begin anew in a forked child, which has none of the threads that send or wait."""
        self._lines = {}

    def _stand_in_line(self, queue: str, line: _Line, mine: _Send) -> None:
        try:
            line.waiting.append(mine)
            while not mine.settled:
                if line.leading.locked():
                    mine.wait()
                else:
                    self._lead(queue, line, mine)
        except BaseException:
            mine.left = True
            line.wake_next()
            raise
        finally:
            line.remove(mine)
            if not line.waiting:
                # Reply queues come and go. Whoever still has this line goes on with it.
                self._lines.pop(queue, None)

    def _lead(self, queue: str, line: _Line, mine: _Send) -> None:
        with line.leading:
            if mine.settled:
                return
            line.leader = threading.get_ident()
            batch = line.gather(mine, queue.endswith(FIFO))
            self._settle(queue, batch)
        for send in batch:
            if send is not mine:
                send.wake()
        line.wake_next()

    def _settle(self, queue: str, batch: list[_Send]) -> None:
        result = send_batch(self._requests, queue, [send.params for send in batch])
        for send, error in zip(batch, result.errors, strict=True):
            send.error = error
            send.settled = True


_batchers: weakref.WeakSet[SendBatcher] = weakref.WeakSet()


def _forget_lines() -> None:
    for batcher in list(_batchers):
        batcher.forget()


os.register_at_fork(after_in_child=_forget_lines)
