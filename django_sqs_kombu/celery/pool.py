"""PoolConsumer: receives on a Celery worker's event loop and runs receivers in its pool."""

from __future__ import annotations

import functools
import mmap
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import kombu

from ..exceptions import EnvironmentFailure, ReceiverFailed, SQSError
from ..logs import get_logger
from ..messages.base import RawMessage
from ..printable import repr_of, traceback_of
from ..transport.delivery import Delivery
from ..transport.receiving.consumption import Consumption
from ..transport.sqs.threads import Threads, aside
from ..working.attempt import context_of
from ..working.circuits import Circuits
from ..working.context import apart, current_message
from ..working.early_burial import warn_of_early_burial
from ..working.expired import abandon
from ..working.going_on import worker_stops
from ..working.handling import Surroundings, attempt_within, cleaning_up
from ..working.middleware import tell
from ..working.outcomes import leave_unstarted, say_cut_off, settle, settle_undecodable
from ..working.queue_consumer import ACCEPT, of_queues
from ..working.registered import Attempt
from .crossing import picklable
from .lost import say_lost
from .refused import Refused

if TYPE_CHECKING:
    from ..registration.queue import RegisteredQueue
    from ..registration.receivers import Receivers

logger = get_logger(__name__)

#: Seconds that a process of the pool waits for SQS to confirm what its receiver deleted, and a
#: close for what is being settled.
FLUSH_TIMEOUT = 10.0
#: For what is settled beside the event loop; as many as have receivers that failed.
_settling = Threads("sqs-celery")
#: Whether the worker was told to stop: memory that the processes of its pool, forked after this
#: module was imported, see as well.
_told = mmap.mmap(-1, 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a receiver ended in a process of the pool.

    :param raised: what it raised, or None where it returned.
    :param deleted: whether the message was deleted there.
    :param traceback: of what it raised, since exceptions lose theirs between processes.
    :param seconds: how long decoding the message and running its receiver took.
    """

    raised: BaseException | None
    deleted: bool = False
    traceback: str = ""
    seconds: float = 0.0


class PoolConsumer:
    """Receives from the queues of one registry and runs their receivers in a Celery pool.

    As many run at once as the pool has processes or threads; no message is taken before one
    of them is free.

    :param receivers: the registry.
    :param queues: its queues to receive from.
    :param suffix: the queue name suffix to use.
    :param pool: the worker's pool.
    :param hub: the worker's event loop.
    :param circuits: of the registry, which outlast a connection.
    """

    def __init__(
        self,
        receivers: Receivers,
        queues: Sequence[RegisteredQueue],
        suffix: str | None,
        pool: Any,
        hub: Any,
        circuits: Circuits,
    ) -> None:
        self._pool = pool
        self._hub = hub
        self._middleware = receivers.middleware
        self._connection = receivers.new_connection()
        self._channel: Any = None
        self._sources: dict[str, tuple[RegisteredQueue, kombu.Queue]] = {}
        for registered in queues:
            queue = registered.get_queue(suffix)
            self._sources[queue.name] = registered, queue
        # A pool of threads ends receivers in its threads.
        self._lock = threading.RLock()
        self._running: set[Delivery] = set()
        self._circuits = circuits
        self._refused = Refused(self._give_back, self._close_when_done, _settling)
        self._stopping = False
        self._finished = False
        self.closed = False

    def start(self) -> None:
        """Start receiving."""
        self._connection.register_with_event_loop(self._hub)
        self._channel = self._connection.channel()
        for registered, queue in self._sources.values():
            self._channel.declare_lazily(queue)
            warn_of_early_burial(registered, queue.name, self._channel.requests)
            self._channel.consume(
                Consumption(
                    queue.name,
                    priority=registered.priority,
                    limit=self._circuits.limit(registered, queue.name, self._channel),
                    most=self._circuits.most(registered, queue.name, lambda: self._slots),
                    on_poll=functools.partial(self._polled, registered),
                    on_pause=functools.partial(self._circuits.paused, registered),
                    keeps=functools.partial(self._circuits.keeps, registered, queue.name),
                    free=self._free,
                    lasting=True,
                )
            )
            of_queues(functools.partial(kombu.Consumer, self._channel))(
                [queue],
                on_message=self._on_message,
                on_decode_error=self._on_decode_error,
                auto_declare=False,
                accept=ACCEPT,
            ).consume()
        _told[0] = 0
        logger.info("Receiving from %s in Celery's pool", ", ".join(self._sources))

    def stop(self) -> None:
        """Stop receiving and give back what waits; what runs goes on."""
        with self._lock:
            if self._stopping or self._channel is None:
                return
            self._stopping = True
        _told[0] = 1
        tell(self._middleware, lambda each: each.stopping())
        self._channel.stop_polling()
        # Polls under way end by themselves, and the event loop waits for nothing.
        aside(self._finish)

    def _finish(self) -> None:
        self._channel.finish_polling()
        self._finished = True
        self._close_when_done()

    def close(self) -> None:
        """Settle what is done, give back what still runs, and disconnect."""
        self.stop()
        # What is given back while it is sent again would come twice.
        _settling.finish(FLUSH_TIMEOUT)
        self._close()

    def _close(self) -> None:
        with self._lock:
            if self.closed:
                return
            self.closed = True
        for delivery in list(self._running):
            registered, _ = self._sources[delivery.queue]
            if registered.delete_on_start and self._has_processes:
                say_lost(registered, delivery, "the worker ends")
            else:
                say_cut_off(registered, delivery)
        # Closing the channel gives back what it still holds.
        self._connection.close()

    @property
    def _slots(self) -> int:
        # Read anew each time: Celery's pool can grow and shrink.
        return int(self._pool.num_processes)

    @property
    def _has_processes(self) -> bool:
        return "prefork" in type(self._pool).__module__

    def _free(self) -> int:
        """How many more receivers can start."""
        return 0 if self._stopping else self._slots - len(self._running)

    def _on_message(self, delivery: Delivery) -> None:
        with self._lock:
            if self._stopping:
                delivery.release()
                return
            refuses = self._circuits.refuses(delivery.queue)
            if not refuses:
                self._running.add(delivery)
        if refuses:
            self._refused.add(delivery)
        else:
            self._start(delivery)

    def _give_back(self, delivery: Delivery) -> None:
        if delivery.expired:
            abandon(delivery)
        elif self._stopping:
            delivery.release()
        else:
            # Also where the breaker has closed meanwhile.
            leave_unstarted(self._sources[delivery.queue][0], delivery)

    def _polled(self, registered: RegisteredQueue, received: int) -> None:
        tell(self._middleware, lambda each: each.polled(registered, received))

    def _on_decode_error(self, delivery: Delivery, exc: Exception) -> None:
        registered, _ = self._sources[delivery.queue]
        with self._lock:
            self._running.add(delivery)

        def settle_it() -> None:
            try:
                settle_undecodable(registered, delivery, exc)
            finally:
                self._done(delivery)

        aside(settle_it, _settling)

    def _start(self, delivery: Delivery) -> None:
        registered, queue = self._sources[delivery.queue]
        try:
            if delivery.expired:
                delivery.abandon()
                self._done(delivery)
                return
        except SQSError as exc:
            logger.error("Message %s is left for SQS to redeliver: %s", delivery.message_id, exc)
            self._done(delivery)
            return
        target, args = self._target(registered, queue, delivery)
        try:
            self._pool.apply_async(
                target,
                args=args,
                callback=functools.partial(self._on_outcome, delivery),
                error_callback=functools.partial(self._on_lost, delivery),
                accept_callback=_ignore,
            )
        except Exception as exc:  # noqa: BLE001 - whatever a pool may raise that is ending
            settle(
                registered,
                delivery,
                None,
                EnvironmentFailure(f"no receiver started: {repr_of(exc)}"),
            )
            self._done(delivery)

    def _target(
        self, registered: RegisteredQueue, queue: kombu.Queue, delivery: Delivery
    ) -> tuple[Any, tuple[Any, ...]]:
        """What the pool is to call: a pool of processes gets what can be pickled."""
        if self._has_processes:
            return run_in_process, (delivery.queue, dict(delivery.sqs_message))
        return run_here, (registered, queue, delivery, self._stops)

    def _stops(self) -> bool:
        return self._stopping

    def _on_outcome(self, delivery: Delivery, outcome: Outcome) -> None:
        ended = functools.partial(self._ended, delivery, outcome)
        if outcome.raised is None:
            ended()
        else:
            # What is sent again waits for SQS, and for S3: the event loop must not.
            aside(ended, _settling)

    def _ended(self, delivery: Delivery, outcome: Outcome) -> None:
        raised = outcome.raised
        if raised is not None and outcome.traceback:
            raised.__cause__ = ReceiverFailed(outcome.traceback)
        try:
            if outcome.deleted and not delivery.acknowledged:
                delivery.abandon()
            apart(self._settle, delivery, raised, outcome.seconds)
            self._circuits.ended(delivery.queue, raised)
        finally:
            self._done(delivery)

    def _settle(self, delivery: Delivery, raised: BaseException | None, seconds: float) -> None:
        registered, queue = self._sources[delivery.queue]
        # What is logged then, and reported to Sentry, is about this message.
        current_message.set(context_of(delivery, queue))
        worker_stops.set(self._stops)
        settle(registered, delivery, None, raised, seconds)

    def _on_lost(self, delivery: Delivery, error: Any, *args: Any) -> None:
        registered, _ = self._sources[delivery.queue]
        say_lost(registered, delivery, getattr(error, "exception", error))
        if not delivery.acknowledged:
            delivery.abandon()
        self._done(delivery)

    def _done(self, delivery: Delivery) -> None:
        with self._lock:
            self._running.discard(delivery)
        self._close_when_done()
        if not self.closed:
            self._connection.transport.inbox.look()
            self._connection.transport.inbox.changed()

    def _close_when_done(self) -> None:
        with self._lock:
            if not self._finished or self._running or self._refused or self.closed:
                return
        self._close()


def _was_told() -> bool:
    return _told[0] == 1


def _attempt(registered: RegisteredQueue, queue: kombu.Queue, delivery: Delivery) -> Attempt:
    def work(stack: Surroundings) -> Attempt:
        attempt = attempt_within(stack, registered, delivery, queue)
        if attempt.raised is None and attempt.message is not None:
            _delete_what_else_belongs_to(attempt.message, delivery)
        return attempt

    return cleaning_up(delivery, work)


def run_here(
    registered: RegisteredQueue,
    queue: kombu.Queue,
    delivery: Delivery,
    stops: Callable[[], bool],
) -> Outcome:
    """Run the receiver of *delivery* in a thread of this process."""
    token = worker_stops.set(stops)
    try:
        attempt = _attempt(registered, queue, delivery)
    finally:
        worker_stops.reset(token)
    return Outcome(attempt.raised, deleted=delivery.acknowledged, seconds=attempt.seconds)


def run_in_process(queue_name: str, sqs_message: Mapping[str, Any]) -> Outcome:
    """Run the receiver of a message in a process of the pool; called there."""
    registered, queue = _registered(queue_name)
    channel = registered.receivers.channel()
    channel.declare_lazily(queue)
    # The worker's main process keeps the lease.
    delivery = channel.delivery(queue.name, sqs_message, settles=True)
    try:
        worker_stops.set(_was_told)
        attempt = _attempt(registered, queue, delivery)
        deleted = delivery.acknowledged
        if deleted:
            channel.flush(FLUSH_TIMEOUT)
    finally:
        # What stayed held here would be taken for held when it is received again.
        channel.abandon(delivery)
    raised = attempt.raised
    if raised is None:
        return Outcome(None, deleted, seconds=attempt.seconds)
    told = traceback_of(raised)
    return Outcome(picklable(raised), deleted, told, attempt.seconds)


def _delete_what_else_belongs_to(message: RawMessage, delivery: Delivery) -> None:
    # The main process deletes the message, in a batch. A class whose delete() does more,
    # as BigMessage's, has that done where its value is.
    if type(message).delete is RawMessage.delete:
        return
    try:
        message.delete()
    except Exception:
        # The receiver is done: received again, the message would be done twice.
        logger.exception(
            "An object that belongs to message %s, such as its payload in S3, could not be deleted",
            delivery.message_id,
        )


@functools.cache
def _registered(queue_name: str) -> tuple[RegisteredQueue, kombu.Queue]:
    from ..registration.receivers import Receivers

    for receivers in Receivers.all():
        for registered in receivers.queues.values():
            for suffix in (None, *registered.suffixes):
                queue = registered.get_queue(suffix)
                if queue.name == queue_name and registered.receiver is not None:
                    return registered, queue
    raise LookupError(f"No receiver is registered for queue {queue_name} in process {os.getpid()}")


def _ignore(*args: Any, **kwargs: Any) -> None:
    pass
