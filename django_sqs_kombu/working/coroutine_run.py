"""CoroutineRun: the way of one message whose receiver runs on an event loop beside others.

It is the way of :mod:`.handling`, in two steps: until there is something to await, and from its
end on.  Both are done in threads, which may wait for SQS and for a database as those of
synchronous receivers; the context variables are one message's own all the way.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import kombu

from ..logs import get_logger
from ..transport.delivery import Delivery
from ..transport.sqs.threads import Threads
from .attempt import check_returned, context_of, delete_first, its_own
from .awaiting import Ended
from .context import current_message, own_context
from .dropping import free_at_start, why_dropped
from .gate import Gate
from .going_on import worker_stops
from .handling import Handled, Surroundings, cleaning_up, make_ready
from .middleware import ADMITTED, Admission, admission, around_receiving
from .outcomes import settle, undecodable
from .registered import Attempt, Registered
from .splitting import split
from .stages import Stages

logger = get_logger(__name__)

Steps = Generator[Awaitable[Any], Ended, Handled]
#: What is to be done when a step has left the context; None: nothing more.
Following = Callable[[], None] | None
Step = Callable[..., Following]


@dataclass(frozen=True, slots=True)
class Work:
    """What a run needs of its consumer.

    :param gate: lets receivers run side by side, or one alone.
    :param stops: whether the worker stops.
    :param too_late: whether it is too late to start a message, which then was given back.
    :param handled: called when a message was settled.
    :param ended: called when nothing is done for it any more.
    """

    gate: Gate
    stops: Callable[[], bool]
    too_late: Callable[[Registered, Delivery], bool]
    handled: Callable[[Delivery, Handled], None]
    ended: Callable[[Delivery], None]


class Crew(Protocol):
    """What runs the steps of all runs of a process."""

    @property
    def stages(self) -> Stages:
        """Run what is done before and after a receiver."""

    @property
    def calls(self) -> Threads:
        """Run the synchronous code that receivers call."""

    @property
    def gatekeeper(self) -> Threads:
        """Waits, for one after the other, until it may run."""

    def await_(
        self,
        awaitable: Awaitable[Any],
        timeout: float | None,
        context: contextvars.Context,
        then: Callable[[Ended], None],
    ) -> None:
        """Await it on the loop, then call *then*, in any thread."""


class CoroutineRun:
    """One message, from its delivery to its settlement."""

    def __init__(
        self,
        work: Work,
        crew: Crew,
        registered: Registered,
        queue: kombu.Queue,
        delivery: Delivery,
    ) -> None:
        self._work = work
        self._crew = crew
        self._registered = registered
        self._queue = queue
        self._delivery = delivery
        self._context = own_context()
        self._steps: Steps | None = None
        self._inside = False

    def start(self) -> None:
        """Begin; from the consumer's thread."""
        self._do(self._admit)

    def _do(self, step: Step, *args: Any) -> None:
        """Do a step in a thread."""
        self._crew.stages.run(partial(self._surely, step, *args))

    def _surely(self, step: Step, *args: Any) -> None:
        """Do a step, and end with it where it fails."""
        try:
            following = self._context.run(step, *args)
            # Out of the context: what follows may be in it before this thread comes to its end.
            if following is not None:
                following()
        except BaseException:
            # Nobody holds the message any more, so nobody must renew it.
            if not self._delivery.acknowledged:
                self._delivery.abandon()
            self._over()
            with suppress(Exception):
                if self._steps is not None:
                    self._steps.close()
            logger.exception(
                "Preparing or cleaning up around the receiver of message %s failed",
                self._delivery.message_id,
            )

    def _admit(self) -> Following:
        middleware = self._registered.receivers.middleware
        admitted = ADMITTED
        if middleware:
            admitted = admission(middleware, self._registered, self._delivery)
        if not admitted.alone and self._work.gate.enter_at_once(self._delivery):
            return self._enter(admitted)
        wait = partial(self._surely, self._wait_at_gate, admitted)
        return partial(self._crew.gatekeeper.run, wait)

    def _wait_at_gate(self, admitted: Admission) -> Following:
        self._work.gate.enter(self._delivery, alone=admitted.alone)
        self._inside = True
        return partial(self._do, self._enter, admitted)

    def _enter(self, admitted: Admission) -> Following:
        self._inside = True
        if self._work.too_late(self._registered, self._delivery):
            self._over()
            return None
        worker_stops.set(self._work.stops)
        return self._go_on(cleaning_up(self._delivery, partial(self._begin, admitted)))

    def _begin(self, admitted: Admission, stack: Surroundings) -> Awaitable[Any] | Handled:
        self._steps = _steps(
            self._registered,
            self._delivery,
            self._queue,
            self._crew.calls,
            self._refused(admitted, stack),
        )
        return self._next(lambda steps: next(steps))

    def _refused(self, admitted: Admission, stack: Surroundings) -> BaseException | None:
        """Why its receiver is not run, if it is not."""
        if self._delivery.errors:
            return undecodable(self._delivery.errors[0][1])
        return make_ready(stack, self._registered) or admitted.refused

    def _go_on(self, came: Awaitable[Any] | Handled) -> Following:
        if isinstance(came, Handled):
            self._work.handled(self._delivery, came)
            self._over()
            return None
        # A copy: what a receiver leaves running may not be in a context with this.
        context = self._context.copy()
        then = partial(self._do, self._finish)
        return partial(self._crew.await_, came, self._registered.timeout, context, then)

    def _finish(self, ended: Ended) -> Following:
        return self._go_on(cleaning_up(self._delivery, partial(self._end, ended)))

    def _end(self, ended: Ended, stack: Surroundings) -> Awaitable[Any] | Handled:
        if (error := make_ready(stack, self._registered)) is not None:
            # Its receiver has run all the same.
            logger.warning(
                "Settling a message could not be prepared: %r",
                error.__cause__,
            )
        return self._next(lambda steps: steps.send(ended))

    def _next(self, step: Callable[[Steps], Awaitable[Any]]) -> Awaitable[Any] | Handled:
        assert self._steps is not None  # noqa: S101
        try:
            return step(self._steps)
        except StopIteration as stop:
            handled: Handled = stop.value
            return handled

    def _over(self) -> None:
        if self._inside:
            self._inside = False
            self._work.gate.leave(self._delivery)
        self._work.ended(self._delivery)


def _steps(
    registered: Registered,
    delivery: Delivery,
    queue: kombu.Queue,
    calls: Threads,
    refused: BaseException | None,
) -> Steps:
    """Receive a message and settle it; what is to be awaited meanwhile is yielded."""
    # All steps are in the message's own context variables, and so is its settling.
    current_message.set(context_of(delivery, queue))
    if refused is None:
        attempt = yield from _attempt(registered, delivery, queue, calls)
    else:
        attempt = Attempt(raised=refused)
    action = settle(registered, delivery, attempt.message, attempt.raised, attempt.seconds)
    return Handled(attempt, action)


def _attempt(
    registered: Registered, delivery: Delivery, queue: kombu.Queue, calls: Threads
) -> Generator[Awaitable[Any], Ended, Attempt]:
    """Decode *delivery* and run the receiver on it, as :func:`.attempt.attempt` does."""
    message = None
    started = time.monotonic()
    if (dropped := why_dropped(registered, delivery)) is not None:
        return Attempt(raised=dropped)
    try:
        with around_receiving(registered.receivers.middleware, registered, delivery):
            message = registered.message_class.from_delivery(delivery, queue)
            free_at_start(registered, delivery)
            if split(registered, delivery, message):
                return Attempt(message, seconds=time.monotonic() - started)
            if registered.delete_on_start and not delivery.acknowledged:
                delete_first(delivery)
            upkeep = registered.receivers.upkeep
            with upkeep.around_coroutine(calls, registered.around_message, registered.timeout):
                value = yield from _received(registered.steps(message))
            check_returned(registered, value)
            if message.verdict is not None:
                raise message.verdict
    except BaseException as exc:  # noqa: BLE001 - sys.exit() in a receiver, too
        return Attempt(message, its_own(exc, registered), seconds=time.monotonic() - started)
    return Attempt(message, None, value, time.monotonic() - started)


def _received(steps: Generator[Awaitable[Any], Any, Any]) -> Generator[Awaitable[Any], Ended, Any]:
    """What a receiver returns; it is told what comes of all that it has awaited."""
    try:
        awaitable = next(steps)
        while True:
            ended = yield awaitable
            if ended.raised is None:
                awaitable = steps.send(ended.value)
            else:
                awaitable = steps.throw(ended.raised)
    except StopIteration as stop:
        return stop.value
