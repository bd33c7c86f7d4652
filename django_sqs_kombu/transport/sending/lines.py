"""Lines: the messages to one queue that wait, and the threads that send for those who do.

A thread may be struck by an exception anywhere: by a receiver's time limit, by Ctrl-C.  So what
says that it sends is a lock that it holds by ``with`` alone, which no exception can strike
between: a message is free to be sent by others whenever that lock is.
"""

from __future__ import annotations

import contextlib
import queue as stdlib_queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from ...exceptions import RequestFailed
from ...names import FIFO
from ...quotas import MAX_MESSAGES
from ..sqs.send_requests import Named
from .dispatch import group_of, next_batch

#: Requests of one line at once: at 20 ms for each, they carry 8,000 messages a second.
MOST_TURNS = 16
#: Seconds that a message waits for others at least, and at most, while a request is under way, to
#: go with them in the next: a fast SQS has answered by then.  Between them it is a share of what
#: the last request took: then threads that send one after another come to send together, and
#: pay little for it.
LINGER, LONGEST_LINGER, LINGER_SHARE = 0.002, 0.025, 0.25
#: Seconds after which one that waits looks whether there still is somebody who sends.
PATIENCE = 0.2


class Turn:
    """One request, or several that follow one another; the thread that makes it holds ``held``."""

    __slots__ = ("began", "held", "sends")

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.held = threading.Lock()
        self.sends: list[Send] = []

    @property
    def lasts(self) -> bool:
        """Whether it is under way, or about to be."""
        return self.held.locked()


class Send:
    """One message in a line.

    Its own thread writes ``left``; the thread that sends it ``turn``, ``in_doubt``, ``error`` and
    then ``settled``.

    :ivar in_doubt: whether SQS may have it already, from a thread that was struck.
    """

    __slots__ = ("error", "in_doubt", "left", "params", "settled", "since", "turn", "woken")

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = Named(params)
        self.error: RequestFailed | None = None
        self.settled = False
        self.in_doubt = False
        self.left = False
        self.since = time.monotonic()
        self.turn: Turn | None = None
        # Written in C, unlike threading.Event, whose lock an exception that strikes within
        # could leave locked.
        self.woken: stdlib_queue.SimpleQueue[None] = stdlib_queue.SimpleQueue()

    @property
    def over(self) -> bool:
        """Whether it is not to be sent any more."""
        return self.settled or self.left

    @property
    def taken(self) -> bool:
        """Whether somebody sends it."""
        return self.turn is not None and self.turn.lasts

    def wait(self, seconds: float) -> None:
        """Wait until its thread is to look again."""
        with contextlib.suppress(stdlib_queue.Empty):
            self.woken.get(timeout=seconds)

    def wake(self) -> None:
        """Have its thread look again."""
        self.woken.put(None)


class Line:
    """The messages to one queue that wait, and the requests under way with some of them."""

    def __init__(self, queue: str) -> None:
        self.fifo = queue.endswith(FIFO)
        self.waiting: deque[Send] = deque()
        #: By the thread that makes it, its last one; of those that last each message is in one.
        self._turns: dict[int, Turn] = {}
        self._choosing = threading.Lock()
        self._linger = LINGER

    def is_led_by_this_thread(self) -> bool:
        """Whether this thread is sending just now: it was interrupted by what asks."""
        turn = self._turns.get(threading.get_ident())
        return turn is not None and turn.lasts

    def delay(self, mine: Send) -> float:
        """Seconds until *mine* is to be looked at again; 0: its thread sends it now."""
        turns = self._under_way()
        if not turns:
            return 0.0
        if mine.taken or len(turns) >= MOST_TURNS or self._is_blocked(mine, turns):
            return PATIENCE
        if len(self.waiting) - sum(len(turn.sends) for turn in turns) >= MAX_MESSAGES:
            return 0.0
        return max(0.0, mine.since + self._linger - time.monotonic())

    def new_turn(self) -> Turn:
        """A turn of this thread, which is to hold it next."""
        # Before it is held: whoever interrupts the thread from then on finds it.
        turn = self._turns[threading.get_ident()] = Turn()
        return turn

    def choose(self, mine: Send, turn: Turn) -> list[Send]:
        """What is to be sent with *mine* in *turn*, which is held; nothing where others send it."""
        with self._choosing:
            # Again, should a signal's handler have sent since the thread had its turn.
            self._turns[threading.get_ident()] = turn
            turn.sends = self._choose(mine, turn)
            for send in turn.sends:
                send.in_doubt = send.turn is not None
                send.turn = turn
        return turn.sends

    def end(self, turn: Turn) -> None:
        """Forget *turn*, which is held no more, and have those look that it concerned."""
        self._turns.pop(threading.get_ident(), None)
        share = (time.monotonic() - turn.began) * LINGER_SHARE
        self._linger = max(LINGER, min(share, LONGEST_LINGER))
        for send in turn.sends:
            send.wake()
        self.wake_next()

    def remove(self, send: Send) -> None:
        """Take *send* out, if it is still there."""
        with contextlib.suppress(ValueError):
            self.waiting.remove(send)

    def wake_next(self) -> None:
        """Have the first that may be sent look whether it is to be."""
        turns = self._under_way()
        for send in self.waiting.copy():
            if not (send.over or send.taken or self._is_blocked(send, turns)):
                send.wake()
                return

    def _choose(self, mine: Send, turn: Turn) -> list[Send]:
        turns = [other for other in self._under_way() if other is not turn]
        if mine.over or mine.taken or self._is_blocked(mine, turns):
            return []
        if len(self.waiting) == 1:
            return [mine]
        seen: list[Send] = []

        def entries() -> Iterator[dict[str, Any]]:
            # The copy is made at once: others append meanwhile.
            for send in (mine, *self.waiting):
                if send.over:
                    self.remove(send)
                elif not ((send is mine and seen) or send.taken or self._is_blocked(send, turns)):
                    seen.append(send)
                    yield send.params

        return [seen[number] for number in next_batch(entries(), self.fifo)]

    def _is_blocked(self, send: Send, turns: list[Turn]) -> bool:
        """Whether one of its message group is under way, which it must not overtake."""
        if not self.fifo:
            return False
        group = group_of(send.params)
        return any(group_of(other.params) == group for turn in turns for other in turn.sends)

    def _under_way(self) -> list[Turn]:
        # The list is made at once, in C.
        return [turn for turn in list(self._turns.values()) if turn.lasts]
