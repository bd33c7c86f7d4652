"""Pace: how fast messages are taken, told only when it is known."""

import time

import pytest

from django_sqs_kombu.transport.receiving.pace import Pace


def take(pace, seconds, times=1):
    for _ in range(times):
        pace.comes()
        pace.takes_one(time.monotonic())
        time.sleep(seconds)


def test_it_is_unknown_until_each_receiver_has_started_twice():
    pace = Pace()
    pace.free = lambda: 4
    take(pace, 0, times=7)
    pace.comes()
    assert pace.seconds_each() is None

    pace.takes_one(time.monotonic())
    pace.comes()
    assert pace.seconds_each() is not None


def test_it_is_the_average_of_many():
    pace = Pace()
    take(pace, 0.001, times=19)
    take(pace, 0.1)
    pace.comes()

    assert 0.005 <= pace.seconds_each() <= 0.02


def test_one_that_takes_longer_than_ever_counts_at_once():
    pace = Pace()
    take(pace, 0.001, times=5)

    time.sleep(0.2)

    assert pace.seconds_each() >= 0.2


def test_waiting_for_messages_is_no_part_of_it():
    pace = Pace()
    take(pace, 0.001, times=5)
    pace.comes()
    time.sleep(0.2)

    assert pace.seconds_each() < 0.1


def test_nobody_takes_before_the_first_comes_or_long_after_the_last_left(monkeypatch):
    pace = Pace()
    assert not pace.takes

    pace.comes()
    assert pace.takes
    pace.leaves()
    assert pace.takes

    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + 2)
    assert not pace.takes
    assert pace.away(now + 2) == pytest.approx(2, abs=0.1)


def test_one_receiver_is_free_while_the_consumer_waits():
    pace = Pace()
    assert pace.free() == 0

    pace.comes()
    assert pace.free() == 1
