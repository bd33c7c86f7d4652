"""Reloader: runs a command again when a file of the project changes, in development."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from django.apps import apps
from django.utils.autoreload import get_child_arguments, iter_all_python_module_files

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread

logger = get_logger(__name__)

Running = subprocess.Popen[bytes]

#: Seconds between two looks at the files.
LOOK = 0.5
#: How many commands may still be ending while the next one runs.
ENDING = 1
#: In the environment of what is run: the reloader's process id.
_RELOADER = "DJANGO_SQS_RELOADER"


class Stopping(Protocol):
    """Whether to stop, as a threading.Event."""

    def wait(self, timeout: float) -> bool:
        """Wait until it is so, at most *timeout* seconds; return whether it is."""


class Reloader:
    """Runs a command in a process of its own, and again after each change.

    A command that ends, for instance because of an error in a file, is run again after the next
    change.  After a change the next command starts at once, beside the one that stops: its polls
    are not broken off, since SQS may go on with one whose client is gone, and hide a message.

    :param command: with its arguments.
    :param stopping: set when both are to stop.
    :param alone: start the next command only when the one before it has ended.
    """

    def __init__(self, command: Sequence[str], stopping: Stopping, *, alone: bool = False) -> None:
        self._command = list(command)
        self._stopping = stopping
        self._alone = alone
        #: Those that were told to stop, the oldest first.
        self._ending: list[Running] = []

    def run(self) -> int:
        """Run until stopped; return the command's exit code."""
        seen = _snapshot()
        running = self._start()
        try:
            while not self._stopping.wait(LOOK):
                self._ending = [each for each in self._ending if each.poll() is None]
                now = _snapshot()
                changed = sorted(path for path in {*seen, *now} if seen.get(path) != now.get(path))
                if changed:
                    logger.warning("%s changed: starting again", changed[0])
                    seen = now
                    self._let_end(running)
                    running = self._start()
        finally:
            *_, code = _end([*self._ending, running])
        return code

    def _start(self) -> Running:
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        env = {**os.environ, _RELOADER: str(os.getpid())}
        return subprocess.Popen(self._command, env=env, start_new_session=True)  # noqa: S603

    def _let_end(self, running: Running) -> None:
        if self._alone:
            _end([running])
            return
        running.send_signal(signal.SIGTERM)
        self._ending.append(running)
        while len(self._ending) > ENDING:
            _end([self._ending.pop(0)])


def _end(commands: Sequence[Running]) -> list[int]:
    """Have them stop as by Ctrl-C, without waiting for polls under way; return the exit codes."""
    for each in commands:
        each.send_signal(signal.SIGUSR2)
    return [each.wait() for each in commands]


def own_command() -> list[str]:
    """The command line of this process, without ``--reload``, however it was started."""
    # Also where it is "python -m django runreceiver --reload".
    return [argument for argument in get_child_arguments() if argument != "--reload"]


def is_reloaded() -> bool:
    """Whether a reloader runs this process, so that none is to be started in it."""
    return _RELOADER in os.environ


def stop_without_reloader() -> None:
    """Where a reloader runs this process: stop when the reloader is gone, however it ended."""
    reloader = os.environ.get(_RELOADER)
    if reloader is not None:
        watch = threading.Thread(target=_watch, args=(int(reloader),), daemon=True)
        watch.name = "sqs-reloader-watch"
        start_thread(watch)


def _watch(reloader: int) -> None:
    while os.getppid() == reloader:
        time.sleep(LOOK)
    logger.error("The reloader has ended: stopping")
    os.kill(os.getpid(), signal.SIGUSR2)


def _snapshot() -> dict[Path, float]:
    """When the project's files were changed: what is imported, and all of its apps."""
    paths = set(iter_all_python_module_files())
    for app in apps.get_app_configs():
        if "site-packages" not in app.path:
            paths.update(Path(app.path).rglob("*.py"))
    found = {}
    for path in paths:
        with contextlib.suppress(OSError):
            found[path] = path.stat().st_mtime
    return found
