"""Seams: where the library meets time, threads and the network, and has the world instead."""

import queue
import sys
import threading
import time
from datetime import datetime
from functools import partial

from django_sqs_kombu.transport.body import payloads
from django_sqs_kombu.transport.sqs import pauses
from django_sqs_kombu.transport.sqs.abort import RequestAborted
from django_sqs_kombu.transport.sqs.calls import _ONCE, Calls
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.doubts import note_try
from django_sqs_kombu.transport.sqs.failures import may_pass, understood
from django_sqs_kombu.transport.sqs.threads import Threads
from django_sqs_kombu.transport.sqs.wire.reactor import Timer, reactor
from django_sqs_kombu.working.schedule import UTC
from django_sqs_kombu.working.ticking import Ticking

from . import shims

#: Seconds that an answer may take, but that of a poll.
PATIENCE = 10.0
#: How often the client tries a request that somebody waits for.
TRIES = 3


class Begun:
    """A request under way, which the client may break off."""

    def __init__(self, world, tell):
        self._world, self._tell = world, tell

    def break_off(self):
        self._world.after(0.0, self._world.mine(lambda: self._tell(RequestAborted())))


def install(world, sqs):
    """Have all of this process go by *world*, for good."""
    _replace_time(world)
    _replace_threads(world)
    _replace_requests(world, sqs)


def install_s3(s3, largest):
    """Have what is larger than *largest* bytes in *s3*."""
    payloads.MAX_MESSAGE_BYTES = largest
    Account.s3 = lambda self: s3


def _replace_time(world):
    time.time = lambda: world.clock
    time.monotonic = time.perf_counter = lambda: world.now
    time.sleep = world.run
    Ticking.clock = lambda self: datetime.fromtimestamp(world.clock, UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(world.clock, tz)

    pauses.datetime = Clock


def _replace_threads(world):
    shims.world = world
    stand_ins = shims.modules()
    for name, module in list(sys.modules.items()):
        if name.startswith("django_sqs_kombu"):
            for attribute, value in list(vars(module).items()):
                if value is threading or value is queue:
                    setattr(module, attribute, stand_ins[value.__name__])

    def at(when, call):
        timer = Timer(when, call)
        world.at(when, world.mine(timer.ring))
        return timer

    reactor.runs = True
    reactor.is_here = lambda: False
    reactor.revive = lambda: None
    reactor.soon = lambda call: world.after(0.0, world.mine(call))
    reactor.at = at
    Threads.run = lambda self, job: world.do_after(world.rng.uniform(0.0, 0.002), job)
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

        sqs.request(operation, params, world.mine(tell), seconds or PATIENCE)
        return Begun(world, tell)

    def begin_url(self, queue, done, seconds):
        name = self.account.canonical(queue)

        def told():
            self.account.urls[name] = sqs.url(name)
            done({"QueueUrl": sqs.url(name)})

        world.after(0.01, world.mine(told))
        return Begun(world, lambda result: None)

    def answer(self, operation, queue, name, params):
        for left in reversed(range(1 if operation in _ONCE else TRIES)):
            told = []
            sqs.request(operation, params, told.append, PATIENCE)
            world.wait(lambda told=told: told)
            with understood(operation, name):
                if not isinstance(told[0], Exception):
                    return told[0]
                note_try(told[0])
                if not left or not may_pass(told[0]):
                    raise told[0]
            world.run(world.rng.uniform(0.0, 1.0))
        return None

    Calls.begin, Calls.begin_url = begin, begin_url
    Calls._answer = Calls._over_botocore = answer
    Calls.is_ready = lambda self, queue: True
    Calls.make_ready = lambda self, queue: None
