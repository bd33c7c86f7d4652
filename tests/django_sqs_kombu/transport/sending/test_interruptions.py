"""Sends that are struck: by a receiver's timeout, Ctrl-C, a fork, or a send within a send."""

import ctypes
import gc
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

import pytest

from django_sqs_kombu import TimedOut
from django_sqs_kombu.transport.sending import lines
from django_sqs_kombu.transport.sending.sends import SendBatcher
from django_sqs_kombu.working.deadline import deadline

raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
#: How often senders are struck.
STRIKES = 1_000


class Struck(Exception):
    """Raised at any bytecode, as a receiver's timeout is."""


class Requests:
    """Accepts everything."""

    def __init__(self):
        self.accepted = Counter()

    def send_batch(self, queue, batch):
        for entry in batch:
            self.accepted[entry["MessageBody"]] += 1
        return [None] * len(batch)


class Sender(threading.Thread):
    """Sends one message after another, however often it is struck."""

    def __init__(self, batcher, name, stopping):
        super().__init__(daemon=True)
        self.batcher, self.name, self.stopping = batcher, name, stopping
        self.confirmed = []
        self.struck = 0

    def run(self):
        number = 0
        while not self.stopping.is_set():
            number += 1
            body = f"{self.name}-{number}"
            try:
                self.batcher.send("q", {"MessageBody": body})
                self.confirmed.append(body)
            except Struck:
                self.struck += 1

    def strike(self):
        raise_in(ctypes.c_ulong(self.ident), ctypes.py_object(Struck))


def ends(thread, timeout=20):
    thread.join(timeout)
    return not thread.is_alive()


@pytest.fixture
def restless():
    """Threads change places every few bytecodes, so that strikes hit anywhere."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    # Others' hooks of the collector would be struck, and pytest, which tells of that, with them.
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(interval)


# It may also strike in what the interpreter calls by itself, such as a hook of its collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_exception_at_any_moment_leaves_no_line_without_a_leader(restless):
    class Sometimes(Requests):
        def send_batch(self, queue, batch):
            if random.random() < 0.1:
                time.sleep(0.001)
            return super().send_batch(queue, batch)

    requests = Sometimes()
    batcher = SendBatcher(requests)
    stopping = threading.Event()
    struck = [_Guarded(batcher, f"struck{n}", stopping) for n in range(4)]
    spared = [Sender(batcher, f"spared{n}", stopping) for n in range(2)]
    for thread in struck + spared:
        thread.start()

    for _ in range(STRIKES):
        random.choice(struck).strike()
        time.sleep(random.random() * 0.002)
    progress = [len(thread.confirmed) for thread in spared]
    deadline_at = time.monotonic() + 30
    while any(len(t.confirmed) <= p for t, p in zip(spared, progress, strict=True)):
        assert time.monotonic() < deadline_at, "those who were not struck wait for ever"
        time.sleep(0.01)
    stopping.set()

    assert all(ends(thread) for thread in struck + spared)
    last = threading.Thread(target=batcher.send, args=["q", {"MessageBody": "last"}], daemon=True)
    last.start()
    assert ends(last)
    assert sum(thread.struck for thread in struck) > STRIKES / 4
    # What a sender was told to be sent was sent, struck neighbours or not.
    confirmed = [body for thread in struck + spared for body in thread.confirmed]
    assert all(requests.accepted[body] for body in confirmed)


class _Guarded(Sender):
    """A sender that may be struck outside of send(), too, and goes on."""

    def run(self):
        while not self.stopping.is_set():
            try:
                super().run()
            except Struck:
                self.struck += 1


def test_a_leader_that_is_struck_sends_its_neighbours_nothing_but_delay():
    go_on, sending = threading.Event(), threading.Event()

    class Struggling(Requests):
        def send_batch(self, queue, batch):
            if not sending.is_set():
                sending.set()
                go_on.wait(10)
                raise Struck
            return super().send_batch(queue, batch)

    requests = Struggling()
    batcher = SendBatcher(requests)
    outcomes = []

    def send(body):
        try:
            batcher.send("q", {"MessageBody": body})
            outcomes.append("sent")
        except Struck:
            outcomes.append("struck")

    threads = [threading.Thread(target=send, args=[str(n)]) for n in range(5)]
    for thread in threads:
        thread.start()
        assert sending.wait(10)
    go_on.set()

    assert all(ends(thread) for thread in threads)
    assert sorted(outcomes) == ["sent"] * 4 + ["struck"]
    assert dict(requests.accepted) == {str(n): 1 for n in range(1, 5)}


def test_one_that_leaves_the_line_is_not_sent(monkeypatch):
    monkeypatch.setattr(lines, "MOST_TURNS", 1)
    go_on, sending = threading.Event(), threading.Event()

    class Slow(Requests):
        def send_batch(self, queue, batch):
            sending.set()
            go_on.wait(10)
            return super().send_batch(queue, batch)

    requests = Slow()
    batcher = SendBatcher(requests)
    caught = []

    def send_within(seconds):
        try:
            with deadline(seconds):
                batcher.send("q", {"MessageBody": str(seconds)})
        except TimedOut as exc:
            caught.append(exc)

    leading = threading.Thread(target=send_within, args=[None])
    leading.start()
    assert sending.wait(10)
    leaving = threading.Thread(target=send_within, args=[0.2])
    leaving.start()
    assert ends(leaving)
    go_on.set()

    assert ends(leading)
    assert len(caught) == 1
    batcher.send("q", {"MessageBody": "next"})
    assert set(requests.accepted) == {"None", "next"}


def test_the_alarm_of_the_main_thread_frees_the_line():
    assert threading.current_thread() is threading.main_thread()

    class Slow(Requests):
        def send_batch(self, queue, batch):
            time.sleep(30 if batch[0]["MessageBody"] == "slow" else 0)
            return super().send_batch(queue, batch)

    batcher = SendBatcher(Slow())

    with pytest.raises(TimedOut), deadline(0.2):
        batcher.send("q", {"MessageBody": "slow"})

    batcher.send("q", {"MessageBody": "next"})


def test_a_send_within_a_send_of_the_same_thread_does_not_wait_for_itself():
    class Reentrant(Requests):
        def send_batch(self, queue, batch):
            if batch[0]["MessageBody"] == "outer":
                batcher.send("q", {"MessageBody": "inner"})
            return super().send_batch(queue, batch)

    requests = Reentrant()
    batcher = SendBatcher(requests)
    thread = threading.Thread(
        target=batcher.send, args=["q", {"MessageBody": "outer"}], daemon=True
    )
    thread.start()

    assert ends(thread)
    assert set(requests.accepted) == {"inner", "outer"}


def test_a_child_that_is_forked_while_another_thread_sends_can_send():
    go_on, sending = threading.Event(), threading.Event()

    class Slow(Requests):
        def send_batch(self, queue, batch):
            if batch[0]["MessageBody"] == "parent's":
                sending.set()
                go_on.wait(20)
            return super().send_batch(queue, batch)

    batcher = SendBatcher(Slow())
    thread = threading.Thread(
        target=batcher.send, args=["q", {"MessageBody": "parent's"}], daemon=True
    )
    thread.start()
    assert sending.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        status = 1
        try:
            batcher.send("q", {"MessageBody": "child's"})
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    go_on.set()

    assert status == 0
    assert ends(thread)


def test_a_line_is_forgotten_when_nobody_is_in_it():
    batcher = SendBatcher(Requests())

    for number in range(5):
        batcher.send(f"reply-{number}", {"MessageBody": "x"})

    assert batcher._lines == {}
