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
from threading import Event

from django.apps import apps
from django.utils.autoreload import get_child_arguments, iter_all_python_module_files

from django_sqs_kombu.logs import get_logger

logger = get_logger(__name__)

#: Seconds between two looks at the files.
LOOK = 0.5
#: In the environment of what is run: the reloader's process id.
_RELOADER = "DJANGO_SQS_RELOADER"


class Reloader:
    """Runs a command in a process of its own, and again after each change.

    A command that ends, for instance by an error in a file, is run again after the next
    change.

    :param command: with its arguments.
    :param stopping: set when both are to stop.
    """

    def __init__(self, command: Sequence[str], stopping: Event) -> None:
        self._command = list(command)
        self._stopping = stopping

    def run(self) -> int:
        """Run until stopped; return the command's exit code."""
        seen = _snapshot()
        running = self._start()
        try:
            while not self._stopping.wait(LOOK):
                now = _snapshot()
                changed = sorted(path for path in {*seen, *now} if seen.get(path) != now.get(path))
                if changed:
                    logger.warning("%s changed: starting again", changed[0])
                    seen = now
                    self._end(running)
                    running = self._start()
        finally:
            code = self._end(running)
        return code

    def _start(self) -> subprocess.Popen[bytes]:
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        env = {**os.environ, _RELOADER: str(os.getpid())}
        return subprocess.Popen(self._command, env=env, start_new_session=True)  # noqa: S603

    def _end(self, running: subprocess.Popen[bytes]) -> int:
        if running.poll() is None:
            # It stops as by Ctrl-C, without waiting for a poll that is under way.
            running.send_signal(signal.SIGUSR2)
        return running.wait()


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
        watch.start()


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
