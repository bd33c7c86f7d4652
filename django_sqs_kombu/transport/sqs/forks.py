"""Forks: what a child process must not share with its parent is made anew in it."""

from __future__ import annotations

import ctypes
import weakref
from typing import Protocol

from ...posix import in_forked_children


class Renewed(Protocol):
    """Something with locks or connections of its own."""

    def renew_after_fork(self) -> None:
        """Replace them; called in a forked child, before any other code runs there."""


_renewed: weakref.WeakSet[Renewed] = weakref.WeakSet()


def renew_after_fork(what: Renewed) -> None:
    """Have *what* renewed in every process that is forked from this one."""
    _renewed.add(what)


def keep_for_ever(what: object) -> None:
    """Have *what*, which is the parent's, never collected in a forked child, nor at its exit."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(what))


def _renew() -> None:
    for what in list(_renewed):
        what.renew_after_fork()


in_forked_children(_renew)
