"""Pool: threads for receivers; quick calls share one, and slow ones never wait for each other."""

import sys
import threading
import time
from contextlib import suppress

import pytest

from django_sqs_kombu.working import pool as pools
from django_sqs_kombu.working.pool import MOST_COUNTED, PATIENCE, QUICK, Pool

THREADS = 4


@pytest.fixture
def pool():
    with Pool(THREADS) as pool:
        yield pool


def make_quick(pool):
    """Let it know that calls are quick."""
    pool._seconds = 0.0


def submit_all(pool, calls):
    for busy, call in enumerate(calls, start=1):
        pool.submit(min(busy, THREADS), call)


@pytest.mark.parametrize("quick", [False, True])
def test_every_call_is_made_once(pool, quick):
    made = []
    for number in range(2_000):
        if quick:
            make_quick(pool)
        pool.submit(number % THREADS + 1, made.append, number)
        if number % THREADS == THREADS - 1:
            pool.wait_if_quick()

    deadline = time.monotonic() + 10
    while len(made) < 2_000 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert sorted(made) == list(range(2_000))


def test_where_no_further_thread_is_to_be_had_those_there_make_all_calls(pool, monkeypatch, caplog):
    """It was tried, and logged as an error, for each message."""
    tried, done = [], threading.Semaphore(0)

    def start(thread):
        tried.append(thread)
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr("django_sqs_kombu.working.pool.start_thread", start)
        without.setattr("django_sqs_kombu.working.pool.TRY_AGAIN", 1000.0)
        submit_all(pool, [done.release] * 100)
        assert all(done.acquire(timeout=10) for _ in range(100))
    assert len(tried) == 1
    assert caplog.text.count("No further thread can be started for receivers") == 1

    # As a while later.
    pool._starts_at = 0.0
    together = threading.Barrier(THREADS + 1)
    for _ in range(THREADS):
        pool.submit(THREADS, together.wait, 10)
    together.wait(10)


@pytest.mark.parametrize("quick", [False, True])
def test_calls_that_block_run_side_by_side(pool, quick):
    """Also where those before were quick: nobody waits for one that turns out to be slow."""
    together = threading.Barrier(THREADS + 1)
    if quick:
        submit_all(pool, [lambda: None] * THREADS)
        pool.wait_if_quick()
        time.sleep(0.05)
        make_quick(pool)

    submit_all(pool, [lambda: together.wait(10)] * THREADS)
    pool.wait_if_quick()

    together.wait(10)


def test_calls_that_block_run_side_by_side_where_there_are_fewer_than_threads(pool):
    submit_all(pool, [lambda: time.sleep(0.01)] * THREADS)
    pool.wait_if_quick()
    time.sleep(0.1)
    make_quick(pool)
    together = threading.Barrier(THREADS)

    submit_all(pool, [lambda: together.wait(10)] * (THREADS - 1))

    # Whoever submits waits for something else meanwhile.
    together.wait(10)


def test_quick_calls_wake_one_thread(pool, eventually, monkeypatch):
    submit_all(pool, [lambda: time.sleep(0.01)] * THREADS)
    time.sleep(0.1)
    # However busy the machine is.
    monkeypatch.setattr(pools, "QUICK", 10.0)
    monkeypatch.setattr(pools, "PATIENCE", 10.0)
    woken, wake = [], pool._wake
    monkeypatch.setattr(pool, "_wake", lambda: woken.append(wake()))
    before = sys.getswitchinterval()
    for number in range(1, 11):
        eventually(lambda: len(pool._idle) == THREADS)
        made = threading.Semaphore(0)
        sys.setswitchinterval(10.0)
        try:
            submit_all(pool, [made.release] * THREADS)
        finally:
            sys.setswitchinterval(before)
        pool.wait_if_quick()
        assert all(made.acquire(timeout=10) for _ in range(THREADS))
        assert woken == [True] * number


def test_what_counts_as_quick_is_below_what_a_call_counts_for_at_first():
    assert QUICK < PATIENCE <= MOST_COUNTED


def test_a_call_that_raises_ends_no_thread(pool):
    def fail():
        raise SystemExit(1)

    done = threading.Event()
    for _ in range(2 * THREADS):
        pool.submit(THREADS, fail)
    pool.submit(THREADS, done.set)
    pool.wait_if_quick()

    assert done.wait(10)


def test_leaving_it_waits_for_all_that_was_submitted():
    made = []
    with Pool(THREADS) as pool:
        for number in range(50):
            pool.submit(THREADS, lambda n=number: (time.sleep(0.002), made.append(n)))

    assert sorted(made) == list(range(50))


def test_an_interrupt_while_a_thread_is_woken_keeps_nobody_waiting(eventually):
    """As Ctrl+C may come in a script: the thread is no longer among the idle, and sleeps on."""
    pool = Pool(THREADS)

    def interrupted():
        with suppress(KeyboardInterrupt), pool:
            eventually(lambda: pool._idle)
            pool._idle.pop()
            raise KeyboardInterrupt

    left = threading.Thread(target=interrupted, daemon=True)
    left.start()
    left.join(5)

    assert not left.is_alive()
