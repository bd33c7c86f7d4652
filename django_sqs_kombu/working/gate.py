"""Gate: lets work through side by side, or one piece of it alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """What is inside is there with others, or all alone; each waits until it may be.

    Whoever waits to be alone goes before those that come later, so it is not kept
    waiting by a steady stream.

    Where nobody is or wants to be alone, no lock is taken: whoever comes is inside first and
    looks then, and whoever wants to be alone says so first and looks then, so one of them sees
    the other.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: set[object] = set()
        self._alone = False
        #: How many wait to be alone, and how many to come in beside others.
        self._waiting = 0
        self._beside = 0

    @contextmanager
    def passed(self, *, alone: bool) -> Iterator[None]:
        """Be inside, with nobody else if *alone*."""
        who = object()
        self.enter(who, alone=alone)
        try:
            yield
        finally:
            self.leave(who)

    def enter(self, who: object, *, alone: bool) -> None:
        """Come inside; :meth:`leave` follows.

        :param who: what is inside, which is no other that is.
        """
        if alone:
            self._enter_alone(who)
            return
        self._inside.add(who)
        if self._alone or self._waiting:
            self._enter_later(who)

    def enter_at_once(self, who: object) -> bool:
        """Come inside beside others, without waiting; return whether that could be."""
        self._inside.add(who)
        if not (self._alone or self._waiting):
            return True
        with self._changed:
            self._inside.discard(who)
            self._changed.notify_all()
        return False

    def leave(self, who: object) -> None:
        """Go outside."""
        self._inside.discard(who)
        if self._alone or self._waiting or self._beside:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

    def _enter_later(self, who: object) -> None:
        with self._changed:
            self._inside.discard(who)
            self._changed.notify_all()
            self._beside += 1
            try:
                while self._alone or self._waiting:
                    self._changed.wait()
            finally:
                self._beside -= 1
            self._inside.add(who)

    def _enter_alone(self, who: object) -> None:
        with self._changed:
            self._waiting += 1
            try:
                while self._inside:
                    self._changed.wait()
                self._inside.add(who)
                self._alone = True
            finally:
                self._waiting -= 1
