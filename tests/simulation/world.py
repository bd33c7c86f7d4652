"""World: virtual time, what is due in it, the threads that wait in it, and chance, by one seed."""

import _thread
import heapq
import itertools
import math
import random
import threading
import traceback

#: Turns within one second from which on something is taken to turn in circles.
BUSY = 20_000
#: The time that clocks show when a world begins, and how much of it has passed by then.
EPOCH, BEGIN = 1_774_735_200.0, 1_000.0


class Stuck(BaseException):
    """Something turns in circles, waits for what never comes, or waits where it must be quick."""


class Process:
    """What dies at once: its threads stop where they are, and nothing is done for it any more."""

    def __init__(self, name):
        self.name, self.alive = name, True


class Waiter:
    """A thread that waits for its turn: for a condition, or a time."""

    __slots__ = ("condition", "lock", "process", "until")

    def __init__(self, process, condition, until):
        self.process, self.condition, self.until = process, condition, until
        self.lock = _thread.allocate_lock()
        self.lock.acquire()


class World:
    """The time, which passes only by what happens in it, and the one thread that may run.

    Threads are real, and hand on to another where they wait; which one, chance decides.

    :ivar process: whose thread or call runs just now.
    :ivar log: what happened: the time, what, and details.
    :ivar errors: tracebacks of what was raised where nobody expects it.
    """

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.now = BEGIN
        self.log, self.errors = [], []
        self.process = self._nobody = Process("nobody")
        self._events, self._numbers = [], itertools.count()
        self._waiting, self._idle = [], []
        self._threads = []
        self._is_quick, self._stuck, self._main = False, None, None
        self._second, self._in_second = 0.0, 0

    @property
    def clock(self):
        """The seconds since the epoch."""
        return EPOCH + self.now - BEGIN

    def say(self, *what):
        self.log.append((round(self.now, 3), *what))

    # Things to come.

    def at(self, when, call):
        """Have *call* called at *when*; it must not wait."""
        heapq.heappush(self._events, (max(when, self.now), next(self._numbers), call))

    def after(self, seconds, call):
        self.at(self.now + seconds, call)

    def mine(self, call):
        """*call*, as long as the present process lives."""
        process = self.process

        def called(*args):
            if process.alive:
                self.process = process
                call(*args)

        return called

    def do_after(self, seconds, call):
        """Have *call* called by a thread of the present process, which may wait."""
        self.after(seconds, self.mine(lambda: self.do(call)))

    def do(self, call):
        """Have *call* called by a thread of the present process, soon."""
        if self._idle:
            worker = self._idle.pop()
            worker.process, worker.until = self.process, 0.0
        else:
            worker = Waiter(self.process, None, 0.0)
            threading.Thread(target=self._work, args=[worker], daemon=True).start()
        worker.condition = call
        self._waiting.append(worker)

    def kill(self, process):
        process.alive = False
        self._waiting = [each for each in self._waiting if each.process is not process]

    # Waiting, in any thread.

    def run(self, seconds):
        """Let so much time pass."""
        self.wait(lambda: False, seconds)

    def wait(self, condition, timeout=None):
        """Wait until *condition* is true, for *timeout* seconds at most; return whether it is."""
        if self._is_quick:
            raise Stuck("what must be quick waits")
        self._count("a wait")
        mine = Waiter(self.process, condition, math.inf if timeout is None else self.now + timeout)
        self._waiting.append(mine)
        is_main = threading.current_thread() is threading.main_thread()
        if is_main:
            self._main = mine
        self._hand_on(mine)
        self.process = mine.process
        if is_main and self._stuck is not None:
            raise self._stuck
        return bool(condition())

    def who(self):
        """Whose turn it is: that of a thread, or of what must be quick."""
        return None if self._is_quick else threading.get_ident()

    def threads(self):
        """The names of the threads that live."""
        return [each.name for each, process in self._threads if each.is_alive() and process.alive]

    def enter(self, thread):
        """What a new thread of the present process is to wait for before it does anything."""
        self._threads.append((thread, self.process))
        mine = Waiter(self.process, None, 0.0)
        self._waiting.append(mine)
        return mine

    def begin(self, mine):
        """Begin, in a new thread, when it is its turn."""
        mine.lock.acquire()
        self.process = mine.process

    def leave(self):
        """End a thread."""
        self._hand_on(None)

    def _work(self, mine):
        while True:
            self.begin(mine)
            try:
                mine.condition()
            except BaseException as exc:
                self.note(exc)
            self._idle.append(mine)
            self._hand_on(mine, waits=False)

    def _hand_on(self, mine, *, waits=True):
        """Let the next one run: *mine* itself, perhaps."""
        while not (ready := self._ready()):
            try:
                self._step()
            except BaseException as exc:
                self.note(exc)
        chosen = ready[0] if len(ready) == 1 else self.rng.choice(ready)
        self._waiting.remove(chosen)
        if chosen is not mine or not waits:
            chosen.lock.release()
            if mine is not None and waits:
                mine.lock.acquire()

    def _ready(self):
        if self._stuck is not None:
            return [self._main]
        now = self.now
        return [w for w in self._waiting if w.until <= now or w.condition()]

    def note(self, exc):
        """Remember what was raised where nobody expects it."""
        if isinstance(exc, Stuck):
            self._stuck = self._stuck or exc
        else:
            self.errors.append("".join(traceback.format_exception(exc)))

    def _step(self):
        """Let time pass until something has happened, or somebody's time is over."""
        until = min(each.until for each in self._waiting)
        if not self._events or self._events[0][0] > until:
            if until == math.inf:
                raise Stuck("nothing ends these waits")
            self.now = max(self.now, until)
            return
        when, _, call = heapq.heappop(self._events)
        self.now = max(self.now, when)
        self._count(call)
        self.process, self._is_quick = self._nobody, True
        try:
            call()
        finally:
            self._is_quick = False

    def _count(self, what):
        if self.now - self._second > 1.0:
            self._second, self._in_second = self.now, 0
        self._in_second += 1
        if self._in_second > BUSY:
            raise Stuck(f"{BUSY} events within a second, the last one {what}")
