"""Supervisor: forks processes, respawns those that die, and stops them all."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

from django_sqs_kombu.logs import finish, get_logger, without_waiting
from django_sqs_kombu.posix import signals
from django_sqs_kombu.working import flush_output

from ..forking import forks
from ..readable import readable
from . import exit_codes
from .companions import start_what_waits
from .ending import MARGIN, end_process

logger = get_logger(__name__)

#: A child that lived this long, in seconds, is respawned without a pause.
HEALTHY = 10.0
#: The first and the longest pause before a child that died at once is respawned.
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
#: Seconds that a start of a child, and the end, wait for what is to be logged.
LOGS_TIMEOUT = 2.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: What the supervisor takes, and a child must not get before it can handle it.
HANDLED = (*STOP_SIGNALS, *signals("SIGUSR1", "SIGUSR2"))


@dataclass(slots=True)
class Child:
    """A process that is to run.

    :param name: for the log.
    :param run: what it does; returns its exit code. 0 means that it is done.
    :param on_exit: called in the supervisor when the process has ended.
    :param on_start: called in the supervisor before the process is forked.
    :param successor: takes its place when it has done enough; None: nothing does.
    """

    name: str
    run: Callable[[], int]
    on_exit: Callable[[], None] | None = None
    on_start: Callable[[], None] | None = None
    successor: Child | None = None
    retired: bool = False
    pid: int | None = None
    started_at: float = 0.0
    respawn_at: float | None = 0.0
    pause: float = FIRST_PAUSE


class Supervisor:
    """Runs children until all are done, or until it is told to stop.

    SIGTERM and SIGINT stop it: the children get SIGTERM, and what lives after their
    grace period is killed.  A second such signal cuts the receivers off (SIGQUIT).
    After SIGINT, and at SIGUSR2, which also stops it, polls are broken off.  SIGUSR1 is passed
    on to the children.

    :param children: what to run; a successor whose ``respawn_at`` is None waits for its turn.
    :param grace_period: seconds that the children may take to stop.
    :param on_stop: called when it is told to stop.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        grace_period: float,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._on_stop = on_stop
        self._children = list(children)
        self._grace_period = grace_period
        self._signals: list[int] = []
        #: Children write their process ids, 4 bytes each, when they retire.
        self._retiring, self._retire_to = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stopping_since: float | None = None
        self._exit_code = exit_codes.OK

    def run(self) -> int:
        """Supervise; return the exit code."""
        with self._woken_by_signals() as wakeups:
            # The first are forked before there is any other thread, one for records included.
            is_done = self._is_done()
            # A stop is heeded also while nobody reads the logs.
            with without_waiting():
                while not is_done:
                    self._wait(wakeups)
                    is_done = self._is_done()
        finish(LOGS_TIMEOUT)
        return self._exit_code

    def _is_done(self) -> bool:
        """Do what is due; return whether nothing runs, nor is to."""
        self._heed_signals()
        self._heed_retiring()
        self._reap()
        self._kill_late()
        self._respawn()
        start_what_waits()
        return not any(c.pid or c.respawn_at is not None for c in self._children)

    @contextmanager
    def _woken_by_signals(self) -> Iterator[socket.socket]:
        wakeups, waker = socket.socketpair()
        with wakeups, waker:
            wakeups.setblocking(False)
            waker.setblocking(False)
            handled = (*HANDLED, signal.SIGCHLD)
            previous = {s: signal.signal(s, self._note) for s in handled}
            fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
            try:
                yield wakeups
            finally:
                os.close(self._retiring)
                os.close(self._retire_to)
                signal.set_wakeup_fd(fd)
                for number, handler in previous.items():
                    signal.signal(number, handler)

    def wake(self) -> None:
        """Wake the children from the rests of idle queues, within a second; from any thread."""
        # Sent by the thread that reaps: a child that ends meanwhile has no process id, and none is
        # that of the whole process group.
        if signal.SIGUSR1 not in self._signals:
            self._signals.append(signal.SIGUSR1)

    def stop(self) -> None:
        """Stop as by SIGTERM, within a second; from any thread."""
        self._signals.append(signal.SIGTERM)

    def retire(self) -> None:
        """Have another take this process's place, which takes no message any more; in a child."""
        os.write(self._retire_to, os.getpid().to_bytes(4, "little"))

    def _heed_retiring(self) -> None:
        with suppress(BlockingIOError):
            while pid := int.from_bytes(os.read(self._retiring, 4), "little"):
                for child in self._living:
                    if child.pid == pid:
                        self._succeed(child)

    def _succeed(self, child: Child) -> None:
        """Start the successor beside a child that finishes what it holds."""
        successor, child.retired = child.successor, True
        if successor is not None and self._stopping_since is None and not successor.pid:
            successor.respawn_at = 0.0

    def _note(self, signum: int, frame: FrameType | None) -> Any:
        if signum in HANDLED:
            self._signals.append(signum)

    def _wait(self, wakeups: socket.socket) -> None:
        due = [c.respawn_at for c in self._children if c.respawn_at is not None]
        timeout = min([max(0.0, at - time.monotonic()) for at in due] or [1.0])
        if wakeups in readable([wakeups, self._retiring], min(timeout, 1.0)):
            wakeups.recv(4096)

    def _heed_signals(self) -> None:
        while self._signals:
            number = signal.Signals(self._signals.pop(0))
            name = number.name
            if number is signal.SIGUSR1:
                self._send(number)
            elif self._stopping_since is None:
                logger.info("Stopping %d processes on %s", len(self._living), name)
                self._stopping_since = time.monotonic()
                if self._on_stop is not None:
                    self._on_stop()
                for child in self._children:
                    child.respawn_at = None
                self._send(signal.SIGTERM)
                if number is not signal.SIGTERM:
                    # Whoever presses Ctrl-C waits for no poll.
                    self._send(signal.SIGUSR2)
            elif number is signal.SIGUSR2:
                self._send(signal.SIGUSR2)
            else:
                logger.warning("Cutting running receivers off on a second %s", name)
                self._send(signal.SIGQUIT)

    def _reap(self) -> None:
        for pid, status in self._endings():
            for child in self._living:
                if child.pid == pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _endings(self) -> Iterator[tuple[int, int]]:
        """The process ids and statuses of what has ended."""
        if os.getpid() != 1:
            for child in self._living:
                yield os.waitpid(child.pid or 0, os.WNOHANG)
            return
        # The first process of a container is the parent of all that lost their own.
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                yield ended

    def _ended(self, child: Child, code: int) -> None:
        pid, child.pid = child.pid, None
        if child.on_exit is not None:
            child.on_exit()
        if code == exit_codes.RECYCLED and not child.retired:
            self._succeed(child)
        replaced, child.retired = child.retired, False
        if code in (exit_codes.FINISHED, exit_codes.RECYCLED):
            logger.info("Process %s (%s) is done", pid, child.name)
            return
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        if self._stopping_since is not None:
            logger.error("Process %s (%s) ended with %s", pid, child.name, how)
            self._exit_code = exit_codes.CUT_OFF
            return
        if replaced:
            logger.error("Process %s (%s), replaced before, ended with %s", pid, child.name, how)
            return
        now, pause = time.monotonic(), 0.0
        if now - child.started_at >= HEALTHY:
            child.pause = FIRST_PAUSE
            child.respawn_at = now
        else:
            pause = self._pause(child)
        logger.error(
            "Process %s (%s) ended with %s, another starts in %.0f s", pid, child.name, how, pause
        )

    def _pause(self, child: Child) -> float:
        """Have *child* started after a pause, longer each time; return it."""
        pause, child.pause = child.pause, min(LAST_PAUSE, child.pause * 2)
        child.respawn_at = time.monotonic() + pause
        return pause

    def _kill_late(self) -> None:
        if self._stopping_since is None:
            return
        if time.monotonic() - self._stopping_since > self._grace_period + MARGIN:
            self._send(signal.SIGKILL)

    def _respawn(self) -> None:
        for child in self._children:
            if child.respawn_at is None or time.monotonic() < child.respawn_at:
                continue
            if not finish(LOGS_TIMEOUT):
                # A log that is being written at the fork might be locked in the child for ever.
                child.respawn_at = time.monotonic() + FIRST_PAUSE
                # Of many children each would wait as long: a stop is heeded before the next one.
                return
            child.respawn_at = None
            self._fork(child)

    def _fork(self, child: Child) -> None:
        flush_output()
        if child.on_start is not None:
            child.on_start()
        try:
            with forks.forking():
                # A signal that comes before the child can handle it waits until it can.
                signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
                try:
                    pid = os.fork()
                    if pid == 0:
                        _run_and_exit(child)
                finally:
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        except OSError as exc:
            # The system has no process now, or no memory for one; the other children run on.
            if child.on_exit is not None:
                child.on_exit()
            pause = self._pause(child)
            logger.error(
                "No process starts for %s, trying again in %.0f s: %s", child.name, pause, exc
            )
            return
        child.pid, child.started_at = pid, time.monotonic()
        logger.info("Process %d started for %s", pid, child.name)

    def _send(self, number: signal.Signals) -> None:
        for child in self._living:
            # It is not reaped yet, so its id cannot be another process's.
            os.kill(child.pid or 0, number)

    @property
    def _living(self) -> list[Child]:
        return [child for child in self._children if child.pid]


def _run_and_exit(child: Child) -> None:
    code = exit_codes.ERROR
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = child.run()
        if code == exit_codes.OK:
            code = exit_codes.FINISHED
    except BaseException:
        logger.exception("Process %d (%s) failed", os.getpid(), child.name)
    finally:
        end_process(code)
