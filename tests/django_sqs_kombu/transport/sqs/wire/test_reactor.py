"""Reactor: whatever becomes of its thread, no request waits for ever."""

import logging
import threading
import time
from collections import deque

import pycurl
import pytest

from django_sqs_kombu.transport.sqs.wire import reactor as reactors
from django_sqs_kombu.transport.sqs.wire.reactor import BROKEN_OFF, FAILED, Reactor


class Handle:
    """A handle with a request to *url*, whatever is answered."""

    def __init__(self, url):
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.NOPROXY, "*")
        self.curl.setopt(pycurl.WRITEFUNCTION, [].append)
        self.curl.setopt(pycurl.POSTFIELDS, "{}")
        headers = ["X-Amz-Target: AmazonSQS.X", "Authorization: Credential=k/"]
        self.curl.setopt(pycurl.HTTPHEADER, headers)


def begin(reactor, handle):
    ended = threading.Event()
    return reactor.begin(handle, lambda exchange: ended.set()), ended


@pytest.fixture
def out_of_files(monkeypatch):
    """Have the reactor's thread find no file to wait with, so many times."""
    left = []

    def loop():
        if left:
            left.pop()
            raise OSError(24, "Too many open files")
        return original()

    original = reactors.Loop
    monkeypatch.setattr(reactors, "Loop", loop)
    monkeypatch.setattr(reactors, "PAUSE", 0.05)
    return lambda times: left.extend([None] * times)


def test_a_thread_that_can_wait_for_nothing_fails_its_requests_and_goes_on(out_of_files, scripted):
    reactor, handle = Reactor(), Handle(scripted.url)
    out_of_files(1)

    exchange, ended = begin(reactor, handle)
    assert ended.wait(5)
    assert exchange.error[0] == FAILED

    exchange, ended = begin(reactor, handle)
    assert ended.wait(5)
    assert exchange.error is None


def test_a_loop_that_fails_fails_its_requests_and_their_handles_serve_again(
    out_of_files, scripted, monkeypatch
):
    reactor, handle = Reactor(), Handle(scripted.url)
    never = threading.Event()
    scripted.answers["X"] = lambda params: never.wait(10) and {}
    exchange, ended = begin(reactor, handle)
    assert not ended.wait(0.3)

    def fail():
        raise ValueError("a fault of our own")

    monkeypatch.setattr(reactor._loop, "ended", fail)
    out_of_files(2)
    reactor._loop.wake()
    assert ended.wait(5)
    assert exchange.error[0] == FAILED

    never.set()
    for _ in range(100):
        exchange, ended = begin(reactor, handle)
        assert ended.wait(5)
        if exchange.error is None:
            return
    pytest.fail("its handle serves no more")


class LookedAt(deque):
    """What is asked for; *meanwhile* is done once, when it is looked at and *when* is true."""

    def __init__(self, when, meanwhile):
        super().__init__()
        self._when = when
        self._meanwhile = meanwhile

    def __bool__(self):
        found = len(self) > 0
        if self._meanwhile is not None and self._when():
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return found


class Held:
    """The lock of a reactor's thread; *before* is done once, before the thread lets go."""

    def __init__(self, lock, before):
        self.acquire = lock.acquire
        self._lock = lock
        self._before = before

    def release(self):
        if self._before is not None:
            before, self._before = self._before, None
            before()
        self._lock.release()


@pytest.mark.parametrize("when", ["it lets go", "it has let go"])
def test_a_request_that_comes_while_the_thread_ends_is_sent(
    when, scripted, monkeypatch, eventually
):
    monkeypatch.setattr(reactors, "IDLE", 0.2)
    reactor = Reactor()
    assert begin(reactor, Handle(scripted.url))[1].wait(5)
    later = []

    def ask():
        asks = threading.Thread(target=lambda: later.append(begin(reactor, Handle(scripted.url))))
        asks.start()
        asks.join(5)
        # A thread that it has started in vain has gone again.
        eventually(lambda: reactor._coming.here, 5)

    if when == "it lets go":
        reactor._held = Held(reactor._held, ask)
    else:
        reactor._asked = LookedAt(lambda: reactor._thread is None, ask)

    eventually(lambda: later)
    assert later[0][1].wait(5)


def test_a_late_breaking_off_leaves_the_next_request_of_the_handle_alone(scripted):
    reactor, handle = Reactor(), Handle(scripted.url)
    first, ended = begin(reactor, handle)
    assert ended.wait(5)
    never = threading.Event()
    scripted.answers["X"] = lambda params: never.wait(0.5) or {}
    second, ended = begin(reactor, handle)

    # As asked for by somebody who saw it under way, a moment before.
    reactor._ask((False, first))

    assert ended.wait(5)
    assert second.error is None
    third, ended = begin(reactor, handle)
    third.break_off()
    assert ended.wait(5)
    assert third.error[0] == BROKEN_OFF


def test_what_is_due_is_called_in_its_order_and_what_was_cancelled_is_not():
    reactor, called, ended = Reactor(), [], threading.Event()
    now = time.monotonic()

    reactor.at(now + 0.3, ended.set)
    reactor.at(now + 0.2, lambda: called.append("later"))
    reactor.at(now + 0.1, lambda: called.append("soon"))
    reactor.at(now + 0.15, lambda: called.append("never")).cancel()
    reactor.soon(lambda: called.append("at once"))
    reactor.soon(lambda: 1 / 0)

    assert ended.wait(5)
    assert called == ["at once", "soon", "later"]


def test_a_time_that_comes_before_what_the_thread_waits_for_wakes_it():
    reactor, ended = Reactor(), threading.Event()
    reactor.at(time.monotonic() + 60, ended.set)
    time.sleep(0.2)

    reactor.at(time.monotonic() + 0.1, ended.set)

    assert ended.wait(2)


def test_a_handler_of_logs_that_hangs_holds_up_no_answer(monkeypatch):
    """Handlers are called elsewhere, in the order of their records."""
    hang, told, ended = threading.Event(), [], threading.Event()

    class Hanging(logging.Handler):
        def emit(self, record):
            hang.wait(5)
            told.append(record.getMessage())

    handler = Hanging()
    reactors.logger.addHandler(handler)
    try:
        for number in range(2):
            reactors.reactor.soon(lambda number=number: reactors.logger.warning("%d", number))
        reactors.reactor.soon(ended.set)
        assert ended.wait(2)
        assert not told
    finally:
        hang.set()
        deadline = time.monotonic() + 5
        while len(told) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        reactors.logger.removeHandler(handler)
    assert told == ["0", "1"]


def test_after_a_fork_the_child_has_none_of_the_parents_calls():
    reactor, called = Reactor(), threading.Event()
    reactor.at(time.monotonic() + 60, called.set)

    reactor.renew_after_fork()
    reactor.soon(called.set)

    assert called.wait(2)
    assert not reactor._timers


def test_what_is_always_due_holds_up_nothing_else():
    reactor, ended = Reactor(), threading.Event()

    def again():
        if not ended.is_set():
            reactor.at(0.0, again)

    reactor.at(0.0, again)
    time.sleep(0.2)
    reactor.soon(ended.set)

    assert ended.wait(2)


@pytest.mark.parametrize("runs", [False, True])
def test_a_ctrl_c_while_the_thread_is_started_leaves_no_later_request_without_one(
    runs, scripted, monkeypatch, eventually
):
    """Whether the thread that it strikes runs or not, there is one in the end, and only one."""
    reactor = Reactor()
    start = threading.Thread.start

    def interrupted(thread):
        if runs or thread.name != "sqs-io":
            start(thread)
        if thread.name == "sqs-io":
            raise KeyboardInterrupt

    with monkeypatch.context() as struck:
        struck.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            begin(reactor, Handle(scripted.url))

    exchange, ended = begin(reactor, Handle(scripted.url))
    assert ended.wait(5)
    assert exchange.error is None

    def alive():
        return [each for each in threading.enumerate() if each.name == "sqs-io" and is_of(each)]

    def is_of(thread):
        return getattr(thread, "_target", None) == reactor._run

    # One that finds the other there ends at once.
    eventually(lambda: alive() == [reactor._thread], 5)


def test_a_lone_request_lets_nothing_gather(scripted):
    reactor = Reactor()
    for _ in range(3):
        _, ended = begin(reactor, Handle(scripted.url))
        assert ended.wait(5)
        time.sleep(0.05)
        assert not reactor._gathers


@pytest.mark.parametrize("moment", ["before it runs", "when it runs"])
def test_a_request_of_a_signals_handler_while_the_thread_is_started(moment, scripted, monkeypatch):
    """The handler waits for its answer, and whom it interrupted does nothing meanwhile."""
    reactor = Reactor()
    start = threading.Thread.start
    waited = []

    def interrupted(thread):
        if thread.name != "sqs-io" or waited:
            start(thread)
            return
        waited.append(None)
        if moment == "when it runs":
            start(thread)
        waited.append(begin(reactor, Handle(scripted.url))[1].wait(5))
        if moment == "before it runs":
            start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)

    _, ended = begin(reactor, Handle(scripted.url))

    assert ended.wait(5)
    assert waited == [None, True]


def test_a_request_of_a_signals_handler_while_something_is_asked(scripted):
    reactor = Reactor()
    assert begin(reactor, Handle(scripted.url))[1].wait(5)
    waited = []

    class Interrupted(deque):
        def append(self, asked):
            super().append(asked)
            if not waited:
                waited.append(None)
                waited.append(begin(reactor, Handle(scripted.url))[1].wait(5))

    reactor._asked = Interrupted()
    _, ended = begin(reactor, Handle(scripted.url))

    assert ended.wait(5)
    assert waited == [None, True]


def test_without_memory_to_say_what_failed_requests_end_all_the_same(
    out_of_files, scripted, monkeypatch
):
    def no_memory(*args):
        raise MemoryError

    monkeypatch.setattr(reactors.logger, "makeRecord", no_memory)
    reactor = Reactor()
    out_of_files(1)

    exchange, ended = begin(reactor, Handle(scripted.url))
    assert ended.wait(5)
    assert exchange.error[0] == FAILED

    exchange, ended = begin(reactor, Handle(scripted.url))
    assert ended.wait(5)
    assert exchange.error is None
