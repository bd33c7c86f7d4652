"""Fleet: the processes of one runreceiver, one or many, and what they share."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.posix import require_posix
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.transport import LocalLimit, ReceiveLimit
from django_sqs_kombu.working import tell

from ..conf import conf
from ..connections import close_before_fork, forget_inherited
from ..registry import receivers
from . import exit_codes
from .cells import Cells
from .companions import BesideFleet, Companion, Turn, beside_fleets, running
from .control import ControlServer
from .crash_file import lasting_memory
from .crashes import CrashNotes
from .frozen import frozen
from .health_socket import Health, HealthSocket
from .idle import StopWhenIdle
from .migrations import wait_for_migrations
from .readiness import Readiness
from .recycling import MEBIBYTE, NEVER, Recycler, Recycling, resident_memory
from .shared_limit import SharedLimit
from .stats import SharedStats
from .supervisor import Child, Supervisor
from .worker import Worker

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a runreceiver is to run.

    :param queues: to receive from.
    :param suffix: the queue name suffix to use.
    :param processes: how many, each for all the queues; None: one for each queue, or for
        each group of queues that share one.
    :param threads: receivers at once in each process.
    :param coroutines: asynchronous receivers at once in each process that has such; None: they
        are among the others.
    :param message_limit: end after this many messages of each queue.
    :param bury: whether dead letters are taken out of SQS (django_sqs.failures).
    :param recycling: when a process is replaced.
    :param stop_when_idle: end after so many seconds without anything to do; None: never.
    :param http: host and port of the control server, if there is to be one.
    :param starts_after_stop: start what was received before a stop, where receives count.
    """

    queues: Sequence[RegisteredQueue]
    suffix: str | None = None
    processes: int | None = None
    threads: int = 1
    coroutines: int | None = None
    message_limit: int | None = None
    http: tuple[str, int] | None = None
    bury: bool = False
    recycling: Recycling = NEVER
    stop_when_idle: float | None = None
    starts_after_stop: bool = True

    @property
    def generations(self) -> int:
        """How many processes may have a place for a while: one that is replaced ends slowly."""
        return 2 if self.recycling else 1

    @property
    def places(self) -> int:
        """How many messages a process may receive at once."""
        most = max((queue.batch or 1 for queue in self.queues), default=1)
        return self.threads * most + (self.coroutines or 0)

    def coroutines_for(self, queues: Sequence[RegisteredQueue]) -> int | None:
        """How many asynchronous receivers run together in a process for *queues*; None: none."""
        return self.coroutines if any(queue.runs_on_loop for queue in queues) else None

    def groups(self) -> list[list[RegisteredQueue]]:
        """The queues of each process."""
        if self.processes is not None:
            return [list(self.queues)] * self.processes
        groups: dict[str, list[RegisteredQueue]] = {}
        for queue in self.queues:
            groups.setdefault(queue.process_group, []).append(queue)
        return list(groups.values())


class Fleet:
    """Runs the processes of a plan.

    :raises ConfigurationError: it needs several processes, and this is not a POSIX system.
    :raises OSError: the control server's port is taken.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._groups = plan.groups()
        self._supervised = len(self._groups) > 1 or bool(plan.recycling)
        if self._supervised:
            require_posix(
                "Several processes, or recycled ones, need",
                instead=". Run a single process: --processes=1, with --threads",
            )
        self._limits = _limits(plan, len(self._groups))
        self._turn = Turn()
        names = [queue.name for queue in plan.queues]
        self._stats = SharedStats(
            names,
            len(self._groups),
            plan.threads,
            plan.generations,
            coroutines=plan.coroutines or 0,
            on_loop=[q.name for q in plan.queues if plan.coroutines and q.runs_on_loop],
        )
        #: Which of the processes live.
        self._alive = Cells(len(self._groups) * plan.generations, 1)
        served = [[queue.name for queue in group] for group in self._groups]
        self._ready = Readiness(self._stats, served)
        self._health = HealthSocket(self._how_it_is)
        #: The control server, where the plan has one.
        self.control = ControlServer(plan.http, self._stats, self._ready) if plan.http else None
        #: When it was told to stop, on the monotonic clock.
        self._stopped_at: float | None = None

    @property
    def grace_left(self) -> float:
        """How many seconds of the grace period are left: all of them before a stop."""
        at = self._stopped_at
        since = 0.0 if at is None else time.monotonic() - at
        return conf.grace_period - since

    def run(self) -> int:
        """Run until done or stopped; return the exit code."""
        with ExitStack() as stack:
            stack.enter_context(self._told())
            self._ready.one_by_one = self._crashes.unresolved
            self._health.start()
            stack.callback(self._health.stop)
            if self.control is not None:
                self.control.start()
                stack.callback(self.control.stop)
            if not self._migrated():
                return exit_codes.OK
            if self._supervised:
                close_before_fork()
            stack.enter_context(running(self._companions()))
            stack.enter_context(frozen())
            return self._run()

    def _how_it_is(self) -> Health:
        plan = self._plan
        queues = [queue.name for queue in plan.queues]
        return Health(os.getpid(), conf.version, queues, plan.suffix, list(self._ready.reasons()))

    def _migrated(self) -> bool:
        """Wait until the databases are; False: it was told to stop before."""
        patience = conf.migrations_patience
        return not patience or wait_for_migrations(patience, self._ready.wait_for)

    def _companions(self) -> Iterator[Callable[[], Companion]]:
        beside = BesideFleet(self._stats, self._plan.places, self._crashes.running)
        return (partial(make, beside) for make in beside_fleets.all())

    def _run(self) -> int:
        if not self._supervised:
            worker = self._worker(self._groups[0])
            self._wake_by(worker.wake)
            with running(self._idle_stop(worker.stop)):
                return worker.run()
        if threading.current_thread() is not threading.main_thread():
            raise ConfigurationError(
                "Several processes, or recycled ones, can only be supervised from the main "
                "thread. In another thread, run a single one: --processes=1"
            )
        self._check_memory()
        places = len(self._groups)
        children = [
            self._child(number, self._groups[number % places])
            for number in range(places * self._plan.generations)
        ]
        # The two of a place take turns.
        for child, other in zip(children, children[places:], strict=False):
            child.successor, other.successor = other, child
            other.respawn_at = None
        self._supervisor = Supervisor(
            children, grace_period=conf.grace_period, on_stop=self._stop_supervising
        )
        self._wake_by(self._supervisor.wake)
        with running(self._idle_stop(self._supervisor.stop)):
            return self._supervisor.run()

    def _idle_stop(self, stop: Callable[[], None]) -> Iterator[Callable[[], Companion]]:
        seconds = self._plan.stop_when_idle
        if seconds is not None:
            plan = self._plan
            yield partial(
                StopWhenIdle,
                seconds,
                self._stats,
                plan.queues,
                plan.suffix,
                stop,
                plan.message_limit,
            )

    def _check_memory(self) -> None:
        taken, most = resident_memory() // MEBIBYTE, self._plan.recycling.memory
        if most is not None and taken >= most:
            raise ConfigurationError(
                f"--recycle-memory={most} is less than the {taken} MiB that a process uses here "
                "before its first message"
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Have the counts and the notes of crashes told of messages meanwhile.

        The notes a lone worker finds as they were when it died.
        """
        places = self._plan.places
        layout = len(self._groups) * self._plan.generations, places
        size = CrashNotes.size(*layout)
        alone = not self._supervised
        names = [queue.full_name(self._plan.suffix) for queue in self._plan.queues]
        key = " ".join([*names, str(places)])
        # A supervisor lives on and counts, so memory will do.
        kept: Any = lasting_memory(key, size) if alone else mmap.mmap(-1, size)
        with kept as memory, closing(CrashNotes(*layout, memory)) as notes:
            self._crashes = notes
            own = (notes, self._stats)
            receivers.middleware[:0] = own
            try:
                if alone:
                    tell(receivers.middleware, lambda each: each.process_ended(0))
                yield
            finally:
                receivers.middleware[:] = [m for m in receivers.middleware if m not in own]

    def _wake_by(self, wake: Callable[[], None]) -> None:
        if self.control is not None:
            self.control.on_wake = wake

    def _worker(self, queues: list[RegisteredQueue], supervisor: int | None = None) -> Worker:
        return Worker(
            queues,
            suffix=self._plan.suffix,
            threads=self._plan.threads,
            coroutines=self._plan.coroutines_for(queues),
            limits=self._limits,
            supervisor=supervisor,
            one_by_one=self._crashes.unresolved,
            on_stop=self._note_stop,
            turn=self._turn,
            bury=self._plan.bury,
            starts_after_stop=self._plan.starts_after_stop,
        )

    def _stop_supervising(self) -> None:
        tell(receivers.middleware, lambda each: each.stopping())
        self._note_stop()

    def _note_stop(self) -> None:
        self._stopped_at = self._stopped_at or time.monotonic()
        self._ready.stopping = True

    def _child(self, process: int, queues: list[RegisteredQueue]) -> Child:
        shared = [limit for limit in self._limits.values() if isinstance(limit, SharedLimit)]
        run = partial(self._run_child, process, queues, shared, os.getpid())

        def on_exit() -> None:
            self._alive.set(process, 0, 0)
            tell(receivers.middleware, lambda each: each.process_ended(process))
            for limit in shared:
                limit.forget(process)

        def on_start() -> None:
            self._alive.set(process, 0, 1)

        return Child(", ".join(queue.name for queue in queues), run, on_exit, on_start)

    def _run_child(
        self,
        process: int,
        queues: list[RegisteredQueue],
        shared: list[SharedLimit],
        supervisor: int,
    ) -> int:
        forget_inherited()
        self._health.leave()
        if self.control is not None:
            self.control.leave()
        self._stats.process = self._crashes.process = process
        for limit in shared:
            limit.process = process
        worker = self._worker(queues, supervisor)
        if self._plan.recycling:
            self._recycle(worker, process)
        return worker.run()

    def _recycle(self, worker: Worker, process: int) -> None:
        """Have this process replaced when it has done enough."""
        other = (process + len(self._groups)) % (2 * len(self._groups))

        def place_is_its_own() -> bool:
            return not self._alive.get(other, 0)

        def retire(reason: str) -> None:
            logger.info("Process %d is replaced after %s", os.getpid(), reason)
            worker.retire()
            self._stats.hand_over()
            self._supervisor.retire()

        recycler = Recycler(self._plan.recycling, place_is_its_own, retire)
        receivers.middleware.append(recycler)


def _limits(plan: Plan, places: int) -> dict[str, ReceiveLimit]:
    count = plan.message_limit
    if count is None:
        return {}
    if plan.processes in (None, 1) and not plan.recycling:
        return {queue.name: LocalLimit(count) for queue in plan.queues}
    processes = places * plan.generations
    return {queue.name: SharedLimit(count, processes) for queue in plan.queues}
