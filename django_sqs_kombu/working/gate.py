"""Gate: lets work through side by side, or one piece of it alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """What is inside is there with others, or all alone; each waits until it may be.

    Whoever waits to be alone goes before those that come later, so it is not kept
    waiting by a steady stream.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False
        self._waiting = 0
        self._waiters = 0

    @contextmanager
    def passed(self, *, alone: bool) -> Iterator[None]:
        """Be inside, with nobody else if *alone*."""
        self.enter(alone=alone)
        try:
            yield
        finally:
            self.leave()

    def enter(self, *, alone: bool) -> None:
        """Come inside; :meth:`leave` follows."""
        self._enter_alone() if alone else self._enter()

    def leave(self) -> None:
        """Go outside."""
        with self._changed:
            self._inside -= 1
            self._alone = False
            if self._waiters:
                self._changed.notify_all()

    def _enter(self) -> None:
        with self._changed:
            while self._alone or self._waiting:
                self._wait()
            self._inside += 1

    def _enter_alone(self) -> None:
        with self._changed:
            self._waiting += 1
            while self._inside:
                self._wait()
            self._waiting -= 1
            self._inside = 1
            self._alone = True

    def _wait(self) -> None:
        self._waiters += 1
        try:
            self._changed.wait()
        finally:
            self._waiters -= 1
