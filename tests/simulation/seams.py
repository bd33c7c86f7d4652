"""Seams: where the transport meets time, threads and the network, and has the world instead."""

import queue as stdlib_queue
import threading
import time
from datetime import datetime
from functools import partial

from django_sqs_kombu.transport.receiving.inbox import Inbox
from django_sqs_kombu.transport.sqs import pauses
from django_sqs_kombu.transport.sqs.abort import RequestAborted
from django_sqs_kombu.transport.sqs.calls import Calls
from django_sqs_kombu.transport.sqs.failures import understood
from django_sqs_kombu.transport.sqs.threads import Threads
from django_sqs_kombu.transport.sqs.wire.reactor import Timer, reactor

#: Seconds that an answer may take, but that of a poll.
PATIENCE = 10.0


class Begun:
    """A request under way, which the client may break off."""

    def __init__(self, world, tell):
        self._world, self._tell = world, tell

    def break_off(self):
        self._world.after(0.0, lambda: self._tell(RequestAborted()))


def install(world, sqs):
    """Have all of this process go by *world*, for good."""
    _replace_time(world)
    _replace_threads(world)
    _replace_requests(world, sqs)


def _replace_time(world):
    time.time = time.monotonic = lambda: world.now
    time.sleep = world.run

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(world.now, tz)

    pauses.datetime = Clock
    threading.Condition.wait = lambda self, timeout=None: world.step(timeout or 1.0)
    threading.Condition.wait_for = lambda self, condition, timeout=None: world.wait(
        condition, timeout
    )
    threading.Event.wait = lambda self, timeout=None: world.wait(self.is_set, timeout)

    def wait(self, until, timeout):
        if timeout == 0:
            raise stdlib_queue.Empty
        self.look()
        left = None if until is None else max(0.0, until - world.now)
        if not world.wait(lambda: not self._announced.empty(), left):
            raise stdlib_queue.Empty
        return self._announced.get_nowait()

    Inbox._wait = wait


def _replace_threads(world):
    def at(when, call):
        timer = Timer(when, call)
        world.at(when, timer.ring)
        return timer

    reactor.runs = True
    reactor.is_here = lambda: False
    reactor.revive = lambda: None
    reactor.soon = partial(world.after, 0.0)
    reactor.at = at
    Threads.run = lambda self, job: world.after(world.rng.uniform(0.0, 0.002), job)
    Threads.finish = Threads.end = lambda self, timeout: None


def _replace_requests(world, sqs):
    def begin(self, operation, queue, params, done, *, seconds=None):
        name = self.account.canonical(queue)
        url = self.account.urls.setdefault(name, sqs.url(name))
        params = {"QueueUrl": url, **params}
        left = [partial(self._ended, operation, queue, params, done)]

        def tell(result):
            if left:
                left.pop()(result)

        sqs.request(operation, params, tell, seconds or PATIENCE)
        return Begun(world, tell)

    def begin_url(self, queue, done, seconds):
        name = self.account.canonical(queue)

        def told():
            self.account.urls[name] = sqs.url(name)
            done({"QueueUrl": sqs.url(name)})

        world.after(0.01, told)
        return Begun(world, lambda result: None)

    def answer(self, operation, queue, name, params):
        told = []
        sqs.request(operation, params, told.append, PATIENCE)
        world.wait(lambda: told, None)
        with understood(operation, name):
            if isinstance(told[0], Exception):
                raise told[0]
            return told[0]

    Calls.begin, Calls.begin_url, Calls._answer = begin, begin_url, answer
    Calls.is_ready = lambda self, queue: True
    Calls.make_ready = lambda self, queue: None
