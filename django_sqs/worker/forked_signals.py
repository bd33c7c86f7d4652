"""Forked signals: a process that a receiver forks is ended by SIGTERM, as any other process.

It inherits the handlers of the worker, which stop a consumer that it has not.  Without this nothing
of ``multiprocessing`` could end it: ``Process.terminate()`` did nothing, and ``with Pool():``
waited for ever at its end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable
from types import FrameType

from django_sqs_kombu.posix import IS_POSIX, before_forks, in_forked_children, in_forking_parents

#: The signals whose handlers are the worker's own in this process.
_heeded: set[signal.Signals] = set()
#: What else ends a process; what a terminal or an operator says to all is for the worker alone.
_ENDING = ("SIGTERM", "SIGQUIT")
#: The signals that were blocked before a fork, in the thread that forks.
_forking = threading.local()


def heed(numbers: Iterable[signal.Signals]) -> None:
    """The handlers of these signals are the worker's, until :func:`heed_none`."""
    _heeded.update(numbers)


def heed_none() -> None:
    """No handler of a signal is the worker's any more."""
    _heeded.clear()


def _block() -> None:
    # One that comes before the child has handlers of its own waits until it has.
    _forking.blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _heeded)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.blocked)


def _let_go() -> None:
    for number in _heeded:
        if signal.getsignal(number) is not signal.SIG_IGN:
            ends = number.name in _ENDING
            # No SIG_IGN, which a program that the child turns into would inherit.
            signal.signal(number, signal.SIG_DFL if ends else _ignore)
    _heeded.clear()
    _unblock()


def _ignore(signum: int, frame: FrameType | None) -> None:
    pass


if IS_POSIX:
    before_forks(_block)
    in_forking_parents(_unblock)
    in_forked_children(_let_go)
