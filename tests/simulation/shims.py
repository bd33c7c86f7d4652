"""Shims: the locks, conditions, queues and threads of the library, in the world's time."""

import queue as stdlib_queue
import threading
from collections import deque
from types import SimpleNamespace

#: Set before the first of them is made.
world = None


class Lock:
    def __init__(self):
        self._owner, self._count = None, 0

    def acquire(self, blocking=True, timeout=-1):
        if self._count:
            if not blocking:
                return False
            if not world.wait(lambda: not self._count, None if timeout < 0 else timeout):
                return False
        self._owner, self._count = world.who(), 1
        return True

    def release(self):
        if not self._count:
            raise RuntimeError("release unlocked lock")
        self._count -= 1

    def locked(self):
        return bool(self._count)

    def give_up(self):
        """Release it as often as it was acquired."""
        count, self._count = self._count, 0
        return count

    def take_back(self, count):
        self.acquire()
        self._count = count

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *exc):
        self.release()


class RLock(Lock):
    def acquire(self, blocking=True, timeout=-1):
        if self._count and self._owner == world.who():
            self._count += 1
            return True
        return super().acquire(blocking, timeout)


class Condition:
    def __init__(self, lock=None):
        self._lock = RLock() if lock is None else lock
        self._waiting = deque()
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self):
        return self._lock.acquire()

    def __exit__(self, *exc):
        self._lock.release()

    def wait(self, timeout=None):
        told = Event()
        self._waiting.append(told)
        count = self._lock.give_up()
        try:
            return told.wait(timeout)
        finally:
            if not told.is_set():
                self._waiting.remove(told)
            self._lock.take_back(count)

    def wait_for(self, predicate, timeout=None):
        end = None if timeout is None else world.now + timeout
        while not (result := predicate()):
            left = None if end is None else end - world.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n=1):
        for _ in range(min(n, len(self._waiting))):
            self._waiting.popleft().set()

    def notify_all(self):
        self.notify(len(self._waiting))


class Event:
    def __init__(self):
        self._flag = False

    def is_set(self):
        return self._flag

    def set(self):
        self._flag = True

    def clear(self):
        self._flag = False

    def wait(self, timeout=None):
        return self._flag or world.wait(self.is_set, timeout)


class Queue:
    def __init__(self, maxsize=0):
        self._items, self._most = deque(), maxsize
        self.unfinished_tasks = 0

    def put(self, item, block=True, timeout=None):
        if self._most and len(self._items) >= self._most:
            raise stdlib_queue.Full
        self.unfinished_tasks += 1
        self._items.append(item)

    def get(self, block=True, timeout=None):
        if not self._items and not (block and world.wait(lambda: bool(self._items), timeout)):
            raise stdlib_queue.Empty
        return self._items.popleft()

    put_nowait = put

    def get_nowait(self):
        return self.get(block=False)

    def empty(self):
        return not self._items

    def task_done(self):
        self.unfinished_tasks -= 1


class Thread(threading.Thread):
    """A real one that waits for its turn."""

    _begins, _is_over = None, False

    def start(self):
        self._begins = world.enter(self)
        super().start()

    def run(self):
        world.begin(self._begins)
        try:
            super().run()
        except BaseException as exc:
            world.note(exc)
        self._is_over = True
        world.leave()

    def is_alive(self):
        return self._begins is not None and not self._is_over

    def join(self, timeout=None):
        world.wait(lambda: self._is_over, timeout)


def modules():
    """What stands for the modules ``threading`` and ``queue``, by their names."""
    own = {each.__name__: each for each in (Lock, RLock, Condition, Event, Thread)}
    return {
        "threading": SimpleNamespace(**{**vars(threading), **own}),
        "queue": SimpleNamespace(**{**vars(stdlib_queue), "SimpleQueue": Queue, "Queue": Queue}),
    }
