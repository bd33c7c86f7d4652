"""Starting: a stop that comes before there is anything to stop ends the process, as any stop does.

By default SIGTERM would kill it, with an exit code that tells of a failure; and the first process
of a container would not even notice it, and then receive until it is killed.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from django_sqs_kombu.posix import signals

from . import exit_codes

COMMAND = "runreceiver"


def stop_while_starting(arguments: Sequence[str]) -> None:
    """Have signals that stop a worker end this process, if *arguments* are those of one.

    The worker's own handlers replace this.  What a project handles itself stays.
    """
    if list(arguments[1:2]) != [COMMAND] or not _in_main_thread():
        return
    for number in signals("SIGTERM", "SIGINT", "SIGUSR2"):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    for number in signals("SIGUSR1"):
        # It polls all queues at once as soon as it is there.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _ignore)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _end(signum: int, frame: FrameType | None) -> None:
    sys.exit(exit_codes.OK)


def _ignore(signum: int, frame: FrameType | None) -> None:
    pass
