"""CoroutineCrew: the loop and the threads that run a consumer's asynchronous receivers."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import kombu

from ..transport.delivery import Delivery
from ..transport.sqs.threads import Threads
from .awaiting import Awaiting, Ended
from .coroutine_run import CoroutineRun, Work
from .lasting_loop import LastingLoop
from .loop_watch import LoopWatch
from .registered import Registered, Registry
from .stages import LASTING, Stages

#: Seconds that the threads may take to end.
END_TIMEOUT = 2.0


class CoroutineCrew:
    """Runs asynchronous receivers together on one loop, while its context lasts.

    :param most: how many at once.
    :param threads: how many threads run synchronous code that they call.
    :param registry: says what these threads leave behind.
    :param on_place: called when a receiver that was left behind has ended after all.
    """

    def __init__(
        self, most: int, threads: int, registry: Registry, on_place: Callable[[], None]
    ) -> None:
        self.most = most
        self._on_place = on_place
        upkeep = registry.upkeep
        self.stages = Stages(most, upkeep.leave)
        self.calls = Threads("sqs-call", threads, LASTING, upkeep.leave)
        self.gatekeeper = Threads("sqs-gate", 1)
        self._upkeep = upkeep
        #: Receivers that do not end although their messages are settled; they keep their places.
        self.left_behind = 0
        self._cutting_off = False
        self._awaited: set[Awaiting] = set()

    def __enter__(self) -> CoroutineCrew:
        self._loop = LastingLoop(self._upkeep.executor())
        self._watch = LoopWatch(self._loop, self.stages.look)
        self._loop.start()
        self._watch.start()
        # A thread of each, before there is a message that needs it.
        self.stages.run(_nothing)
        self.calls.run(_nothing)
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watch.stop()
        self._loop.stop()
        self.stages.end(END_TIMEOUT)
        self.calls.end(END_TIMEOUT)

    def start(
        self, work: Work, registered: Registered, queue: kombu.Queue, delivery: Delivery
    ) -> None:
        """Start a message; *work* is told of its end."""
        CoroutineRun(work, self, registered, queue, delivery).start()

    def cut_off(self) -> None:
        """Cancel all that runs, and what is still to run; from any thread."""
        self._cutting_off = True
        # It may have ended.
        with suppress(RuntimeError):
            for awaiting in list(self._awaited):
                self._loop.call(awaiting.cut_off)

    def await_(
        self,
        awaitable: Awaitable[Any],
        timeout: float | None,
        context: contextvars.Context,
        then: Callable[[Ended], None],
    ) -> None:
        """Await it on the loop, then call *then*, in the loop's thread.

        :raises RuntimeError: the loop has ended.
        """

        def ended(how: Ended) -> None:
            if not awaiting.task.done():
                left.append(awaiting)
                self.left_behind += 1
            then(how)

        def gone() -> None:
            self._awaited.discard(awaiting)
            if left:
                self.left_behind -= 1
                self._on_place()

        left: list[Awaiting] = []
        awaiting = Awaiting(awaitable, timeout, lost=self._watch.lost, then=ended, gone=gone)
        self._awaited.add(awaiting)
        self._loop.call(awaiting.start, context=context)
        if self._cutting_off:
            self._loop.call(awaiting.cut_off)


def _nothing() -> None:
    pass
