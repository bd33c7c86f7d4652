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

#: The commands that run until they are stopped.
COMMANDS = ("runreceiver", "sqs_relay")
#: With this one of them does not, and one that is broken off has not done what it is for.
ONCE = "--once"


def stop_while_starting(arguments: Sequence[str]) -> None:
    """Have signals that stop a worker or a relay end this process, if *arguments* are of one.

    Its own handlers replace this.  What a project handles itself stays.
    """
    is_one = arguments[1:2] and arguments[1] in COMMANDS and ONCE not in arguments
    if not is_one or not _in_main_thread():
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
