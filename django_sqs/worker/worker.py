"""Worker: one process that receives, with its signals and its exit code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread
from django_sqs_kombu.posix import IS_POSIX, signals
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.transport import ReceiveLimit

from ..conf import conf
from ..registry import receivers
from . import exit_codes, forked_signals
from .companions import Beside, Companion, Turn, beside_workers, running
from .worker_consumer import WorkerConsumer

logger = get_logger(__name__)


class Worker:
    """Receives from queues until it is told to stop.

    :param queues: the registered queues.
    :param suffix: the queue name suffix to use.
    :param threads: how many receivers run at once.
    :param coroutines: how many asynchronous ones besides, together on one loop; None: none.
    :param limits: limits on received messages, by queue name.
    :param one_by_one: whether no more than one message is to be held now.
    :param on_stop: called when it is told to stop.
    :param turn: shared with the other processes of its runreceiver; None: there are none.
    :param supervisor: the process id of the supervisor that forked this process, if any.
    :param bury: whether dead letters are taken out of SQS beside it (django_sqs.failures).
    :param starts_after_stop: start what was received before a stop, where receives count.

    SIGUSR1 wakes it from the rests of idle queues.  SIGTERM stops it, when the polls under way
    have ended; SIGINT, unless a supervisor sees to that, and SIGUSR2 break them off.  SIGQUIT,
    or a second signal to a worker without a supervisor, cuts running receivers off.
    """

    def __init__(
        self,
        queues: Sequence[RegisteredQueue],
        *,
        suffix: str | None = None,
        threads: int = 1,
        coroutines: int | None = None,
        limits: Mapping[str, ReceiveLimit] | None = None,
        supervisor: int | None = None,
        one_by_one: Callable[[], bool] | None = None,
        on_stop: Callable[[], None] | None = None,
        turn: Turn | None = None,
        bury: bool = False,
        starts_after_stop: bool = True,
    ) -> None:
        self._bury = bury
        self._suffix = suffix
        self._turn = turn or Turn()
        self._supervisor = supervisor
        self._told_to_stop = on_stop
        self._retired = False
        self._consumer = WorkerConsumer(
            receivers,
            queues,
            suffix=suffix,
            threads=threads,
            coroutines=coroutines,
            limits=limits,
            grace_period=conf.grace_period,
            one_by_one=one_by_one,
            supervisor=supervisor,
        )
        self._consumer.starts_after_stop = starts_after_stop

    def run(self) -> int:
        """Receive until stopped; return the exit code.

        In a thread other than the main one no signal stops it, but a message limit does.
        """
        with self._heeding_signals(), running(self._companions()):
            self._consumer.run()
        if self._consumer.was_cut_off:
            return exit_codes.CUT_OFF
        return exit_codes.RECYCLED if self._retired else exit_codes.OK

    def retire(self) -> None:
        """Receive nothing more and finish what runs, however long it takes; from any thread."""
        if not self._consumer.should_stop:
            self._retired = True
            self._consumer.retire()

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {
            number: signal.signal(number, handler)
            for name, handler in {
                "SIGTERM": self._on_stop,
                "SIGINT": signal.SIG_IGN if self._supervisor else self._on_stop,
                "SIGQUIT": self._on_cut_off,
                "SIGUSR1": self._on_wake,
                "SIGUSR2": self._on_break_off,
            }.items()
            for number in signals(name)
        }
        forked_signals.heed(previous)
        if IS_POSIX:
            # The supervisor forks with these blocked, so that none is lost before this point.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, previous)
        try:
            yield
        finally:
            forked_signals.heed_none()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _companions(self) -> Iterator[Callable[[], Companion | None]]:
        names = {queue.full_name(self._suffix): queue.name for queue in self._consumer.queues}
        consumer = self._consumer
        beside = Beside(self._turn, names, consumer.wake, consumer.look_for_pauses, self._bury)
        return (partial(make, beside) for make in beside_workers.all())

    def stop(self) -> None:
        """Stop as by SIGTERM; from any thread."""
        if not self._consumer.should_stop:
            self._stop("idleness")

    def wake(self) -> None:
        """Poll the queues that are idle and rest at once."""
        self._consumer.wake()

    def _on_wake(self, signum: int, frame: FrameType | None) -> Any:
        # In a thread: the main one may be inside an event that wakes.
        _in_thread(self.wake, "sqs-woken")

    def _on_stop(self, signum: int, frame: FrameType | None) -> Any:
        if not self._consumer.should_stop:
            self._stop_on(signum)
            # It may be retiring in this moment.
            self._consumer.stop_in_time()
        elif self._consumer.retired:
            self._consumer.stop_in_time()
        elif self._supervisor is None:
            self._on_cut_off(signum, frame)

    def _on_break_off(self, signum: int, frame: FrameType | None) -> Any:
        if self._consumer.should_stop:
            self._consumer.stop_in_time()
            self._consumer.stop(break_off=True)
        else:
            self._stop_on(signum)
            self._consumer.stop_in_time()

    def _stop_on(self, signum: int) -> None:
        # Whoever presses Ctrl-C waits for no poll.
        self._stop(signal.Signals(signum).name, break_off=signum in signals("SIGINT", "SIGUSR2"))

    def _stop(self, reason: str, *, break_off: bool = False) -> None:
        # In a thread: the main one may be inside of a handler of logs, holding its locks.
        says = partial(logger.info, "Stopping on %s", reason)
        telling = threading.Thread(target=says, name="sqs-stopping", daemon=True)
        with suppress(RuntimeError):
            start_thread(telling)
        if self._told_to_stop is not None:
            self._told_to_stop()
        self._consumer.stop(break_off=break_off)

    def _on_cut_off(self, signum: int, frame: FrameType | None) -> Any:
        # In a thread: the main one may be inside a request, holding its locks.
        _in_thread(self._consumer.cut_off, "sqs-cut-off")


def _in_thread(call: Callable[[], None], name: str) -> None:
    """Do in a thread what a signal asks for; whoever sends it can send it again."""
    try:
        start_thread(threading.Thread(target=call, name=name, daemon=True))
    except RuntimeError as exc:
        # Raised by a handler, it would end whatever the main thread is in.
        logger.error("No thread could be started for a signal, which is ignored: %s", exc)
