"""Inbox: where the pollers of a connection announce messages and the consumer waits."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ...exceptions import EndpointUnreachable
from ..holding.held import Held
from ..sqs.forks import renew_after_fork
from .pace import Pace


class Source(Protocol):
    """What announces messages: a poller."""

    #: Messages of sources with a higher priority are delivered first.
    priority: int
    #: Whether it polls as often as it may, and so need not look.
    busy: bool

    @property
    def may_be_taken_from(self) -> bool:
        """Whether a consumer may take a message of it now."""

    def take(self, now: float) -> Held | None:
        """The oldest message that waits, which then is the consumer's.

        :param now: about the time, on the monotonic clock.
        """

    def look(self) -> None:
        """Look whether it is time to poll."""

    def give_back_taken(self, held: Held) -> None:
        """Make a message visible to others that was taken, and has no consumer any more."""


class Inbox:
    """Hands messages to the consumer of a connection, the most urgent first.

    :ivar pace: of the consumer.
    :ivar on_change: called, from any thread, when a message may be taken.
    :ivar leaves: whether there is another broker to go to when this one does not answer.
    :ivar failure: why it is to be left.
    """

    def __init__(self) -> None:
        self.pace = Pace()
        self.on_change: Callable[[], None] | None = None
        self.leaves = False
        self.failure: EndpointUnreachable | None = None
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Forget, in a forked child, the pollers and who waits: they are the parent's."""
        self.pace.restart()
        self._lock = threading.Lock()
        self._announced: queue.SimpleQueue[Source | None] = queue.SimpleQueue()
        self._sources: list[Source] = []
        self._looks = 0
        #: Whether their priorities differ; None: it is to be looked at again.
        self._ranked: bool | None = False

    def announce(self, source: Source, count: int) -> None:
        """Say that *source* has so many more messages."""
        for _ in range(count):
            self._announced.put(source)
        self.changed()

    def changed(self) -> None:
        """Say that there may be a place for a message that waits."""
        if self.on_change is not None:
            self.on_change()

    def failed(self, error: Exception) -> None:
        """Say that polls go on failing; from any thread."""
        if self.leaves and isinstance(error, EndpointUnreachable):
            self.failure = error
            self.wake()
            self.changed()

    def wake(self) -> None:
        """Make :meth:`next` return now; safe in a signal handler."""
        self._announced.put(None)

    def next(self, timeout: float | None) -> tuple[Source, Held] | None:
        """The next message and its source, or None when woken.

        :param timeout: seconds to wait for one; None: for ever.
        :raises queue.Empty: none came in time.
        """
        now = self.pace.comes()
        #: None: it had to wait.
        left_at: float | None = now
        until = None if timeout is None else now + timeout
        found = None
        try:
            while found is None:
                try:
                    announced = self._announced.get_nowait()
                except queue.Empty:
                    left_at = None
                    announced = self._wait(until, timeout)
                if announced is None:
                    break
                # As far as is known there is but one priority.
                if self._ranked is False:
                    held = announced.take(now)
                    found = None if held is None else (announced, held)
                else:
                    found = self._most_urgent(announced, now)
        finally:
            if found is not None:
                self.pace.takes_one(time.monotonic() if left_at is None else left_at)
            else:
                self.pace.leaves(glanced=timeout == 0)
                if timeout == 0:
                    self.look()
        return found

    def _wait(self, until: float | None, timeout: float | None) -> Source | None:
        if timeout == 0:
            raise queue.Empty
        self.look()
        left = None if until is None else max(0.0, until - time.monotonic())
        return self._announced.get(timeout=left)

    def _most_urgent(self, announced: Source, now: float) -> tuple[Source, Held] | None:
        for source in self._by_urgency(announced):
            held = source.take(now)
            if held is not None:
                return source, held
        return None

    def look(self) -> None:
        """Make every source look whether it is time to poll, another one first each time."""
        sources = self._sources
        self._looks += 1
        first = self._looks % len(sources) if sources else 0
        for source in (*sources[first:], *sources[:first]):
            if not source.busy:
                source.look()

    def add(self, source: Source) -> None:
        """Know *source*, so that its priority counts."""
        with self._lock:
            sources = self._sources
            differs = bool(sources) and source.priority != sources[0].priority
            # Looked through for each of a thousand, they would be a million looks.
            self._sources = [*sources, source]
            self._ranked = True if differs else self._ranked

    def remove(self, source: Source) -> None:
        """Forget *source*."""
        # A poller that ends does this in a thread of its own.
        with self._lock:
            sources = list(self._sources)
            with suppress(ValueError):
                sources.remove(source)
            # While any two differ, the rest may be alike; else all of them are.
            self._sources = sources
            self._ranked = False if self._ranked is False else None

    def more_urgent_waits(self, than: Source) -> bool:
        """Whether a message of a higher priority than *than*'s waits for a receiver.

        One does not that waits for others of its group, or its queue: receivers may be free.
        """
        return self._are_ranked() and any(
            each.priority > than.priority and each.may_be_taken_from for each in self._sources
        )

    def _are_ranked(self) -> bool:
        ranked = self._ranked
        if ranked is None:
            with self._lock:
                ranked = self._ranked = len({each.priority for each in self._sources}) > 1
        return ranked

    def _by_urgency(self, announced: Source) -> list[Source]:
        if not self._are_ranked():
            return [announced]
        # An announcement stands for one message, whosever it is.
        return sorted(self._sources, key=lambda each: (-each.priority, each is not announced))
