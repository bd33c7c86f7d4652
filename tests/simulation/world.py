"""World: virtual time, what is due in it, and chance, all by one seed."""

import heapq
import itertools
import random
import traceback

#: Events within one second from which on something is taken to turn in circles.
BUSY = 20_000
#: Virtual seconds after which nothing will end a wait that has no timeout.
FOR_EVER = 2_000.0


class Stuck(Exception):
    """Something turns in circles, or waits for what never comes."""


class World:
    """The time, which passes only by what happens in it.

    :ivar log: what happened: the time, what, and details.
    :ivar errors: tracebacks of what was raised where nobody expects it.
    """

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.now = 1_000.0
        self.log, self.errors = [], []
        self._events = []
        self._numbers = itertools.count()
        self._second, self._in_second = 0.0, 0

    def say(self, *what):
        self.log.append((round(self.now, 3), *what))

    def at(self, when, call):
        """Have *call* called at *when*."""
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), call))

    def after(self, seconds, call):
        self.at(self.now + seconds, call)

    def run(self, seconds):
        """Let so much time pass."""
        until = self.now + seconds
        while self._step(until):
            pass

    def step(self, seconds):
        """Let time pass until one thing has happened, and for so long at most."""
        return self._step(self.now + seconds)

    def wait(self, condition, timeout):
        """Let time pass until *condition* is true, or for *timeout* seconds; return whether it is.

        :raises Stuck: without a timeout, it never will be.
        """
        until = self.now + (FOR_EVER if timeout is None else timeout)
        while not condition():
            if not self._step(until):
                if timeout is None and not condition():
                    raise Stuck("nothing ends this wait")
                return bool(condition())
        return True

    def _step(self, until):
        if not self._events or self._events[0][0] > until:
            self.now = max(self.now, until)
            return False
        when, _, call = heapq.heappop(self._events)
        self.now = max(self.now, when)
        self._count(call)
        try:
            call()
        except Stuck:
            raise
        except Exception:
            self.errors.append(traceback.format_exc())
        return True

    def _count(self, call):
        if self.now - self._second > 1.0:
            self._second, self._in_second = self.now, 0
        self._in_second += 1
        if self._in_second > BUSY:
            raise Stuck(f"{BUSY} events within a second, the last one {call}")
