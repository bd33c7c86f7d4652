"""A stop on a system that has no further thread for a while."""

import threading
import time

import pytest


@pytest.mark.parametrize("refusals", [3, 10_000])
def test_it_ends_the_polls_when_there_is_a_thread_or_in_time(
    refusals, receivers, start, tally, eventually, monkeypatch
):
    left, begin = [refusals], threading.Thread.start

    def starting(thread):
        if thread.name == "sqs-finish" and left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", starting)
    queue = receivers.register("orders", tally)
    consumer, thread = start(receivers, grace_period=4)
    queue.send(body="a")
    eventually(lambda: tally.starts)
    told = time.monotonic()

    consumer.stop()
    thread.join(20)

    assert not thread.is_alive()
    assert time.monotonic() - told < 6


def test_without_a_grace_period_the_polls_are_ended_all_the_same(
    receivers, start, tally, eventually, monkeypatch
):
    begun, begin = [], threading.Thread.start

    def starting(thread):
        begun.append(thread.name)
        begin(thread)

    queue = receivers.register("orders", tally)
    consumer, thread = start(receivers, grace_period=0)
    queue.send(body="a")
    eventually(lambda: tally.starts)
    monkeypatch.setattr(threading.Thread, "start", starting)

    consumer.stop()
    thread.join(20)

    assert not thread.is_alive()
    assert "sqs-finish" in begun
