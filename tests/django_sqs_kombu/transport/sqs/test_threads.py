"""Threads that come with the work."""

import signal
import sys
import threading
import time

import pytest

from django_sqs_kombu.transport.sqs import threads as pools
from django_sqs_kombu.transport.sqs.threads import Threads


@pytest.mark.parametrize("runs", [True, False])
def test_a_start_that_is_interrupted_costs_no_place(monkeypatch, runs, eventually):
    name = f"tested-{runs}"
    threads = Threads(name, most=1)
    start = threading.Thread.start
    done = []

    def interrupted(thread):
        if runs:
            start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as struck:
        struck.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            threads.run(lambda: done.append("interrupted"))

    ran = threading.Event()
    threads.run(ran.set)
    assert ran.wait(5)
    threads.finish(5)
    assert done == []
    eventually(lambda: [each.name for each in threading.enumerate()].count(name) == 1)


def test_where_no_thread_can_be_started_those_there_do_the_work(monkeypatch):
    threads = Threads("tested-too", most=2)
    blocked, going_on, ran = threading.Event(), threading.Event(), threading.Event()
    threads.run(lambda: (blocked.set(), going_on.wait(5)))
    assert blocked.wait(5)

    def refused(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as struck:
        struck.setattr(threading.Thread, "start", refused)
        threads.run(ran.set)
    going_on.set()

    assert ran.wait(5)


def test_where_there_is_none_it_is_told(monkeypatch):
    threads = Threads("tested-three", most=2)

    def refused(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as struck:
        struck.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError):
            threads.run(lambda: None)
    ran = threading.Event()
    threads.run(ran.set)

    assert ran.wait(5)


def test_nobody_waits_for_a_thread_that_was_refused(monkeypatch):
    threads = Threads("tested-six")
    took = []

    def wait():
        started = time.monotonic()
        threads.finish(3)
        took.append(time.monotonic() - started)

    waiting = threading.Thread(target=wait)
    start = threading.Thread.start

    def refused(thread):
        start(waiting)
        while not threads._waiting:
            time.sleep(0.001)
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as struck:
        struck.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError):
            threads.run(lambda: None)
    waiting.join()

    assert took[0] < 2


def test_a_signal_handler_may_wait_for_work_while_a_thread_is_started(monkeypatch):
    threads = Threads("tested-four")
    start = threading.Thread.start
    ran, done = [], threading.Event()

    def work(number, frame):
        ended = threading.Event()
        threads.run(ended.set)
        ran.append(ended.wait(3))

    def struck(thread):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGUSR1)
        start(thread)

    before = signal.signal(signal.SIGUSR1, work)
    try:
        monkeypatch.setattr(threading.Thread, "start", struck)
        threads.run(done.set)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert ran == [True]
    assert done.wait(5)


def test_work_that_relied_upon_a_thread_that_is_refused_is_done(monkeypatch):
    threads = Threads("tested-five", most=1)
    done = []

    def refused(thread):
        # As another thread would meanwhile.
        threads.run(lambda: done.append("other"))
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as struck:
        struck.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError):
            threads.run(lambda: done.append("own"))

    assert done == ["other"]


def test_a_job_that_exits_costs_no_thread():
    threads, ran = Threads("tested-exit", most=1), threading.Event()
    threads.run(sys.exit)
    threads.run(ran.set)

    assert ran.wait(5)
    threads.end(5)


def test_a_thread_that_has_no_memory_to_wait_for_work_comes_to_it_later(without_memory, eventually):
    """It still counted as there, so that nothing more was done, and nothing said."""
    threads, ran = Threads("tested-memory", most=1), threading.Event()
    left = without_memory("tested-memory", 2)
    threads.run(lambda: None)
    eventually(lambda: not left)

    threads.run(ran.set)

    assert ran.wait(5)


def test_a_thread_that_has_no_memory_to_say_what_failed_goes_on(monkeypatch):
    threads, ran = Threads("tested-silence", most=1), threading.Event()

    def no_memory(*args):
        raise MemoryError

    def job():
        raise MemoryError

    monkeypatch.setattr(pools.logger, "makeRecord", no_memory)
    threads.run(job)
    threads.finish(5)

    threads.run(ran.set)

    assert ran.wait(5)
