"""What hangs before or after asynchronous receivers holds up none of the other messages."""

import itertools
import logging
import threading
from contextlib import contextmanager

import pytest

from django_sqs_kombu import Middleware
from django_sqs_kombu.working.stages import MORE, USUAL, Stages


class Hangs(Middleware):
    """A hook that asks a store which does not answer for the first messages."""

    def __init__(self):
        self.answers = threading.Event()
        self.asked = itertools.count()

    @contextmanager
    def receiving(self, queue, delivery):
        if next(self.asked) < USUAL:
            self.answers.wait(20)
        yield


def test_other_messages_go_on_and_the_log_says_what_hangs(receivers, start, eventually, caplog):
    hangs, done = Hangs(), []
    receivers.middleware.append(hangs)

    @receivers.receiver("orders")
    async def receive(message):
        done.append(message.get_body())

    receivers.send_many("orders", ["hangs"] * USUAL)
    consumer, thread = start(receivers, coroutines=20)
    try:
        eventually(lambda: len(consumer.under_way()) == USUAL)
        receivers.send_many("orders", [str(n) for n in range(10)])
        eventually(lambda: len(done) == 10, timeout=15)
    finally:
        hangs.answers.set()
    eventually(lambda: len(done) == 10 + USUAL)

    [record] = [r for r in caplog.records if "something hangs there" in r.message]
    assert record.levelno == logging.ERROR
    consumer.stop(break_off=True)
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def stages():
    stages = Stages(20, lambda: None)
    yield stages
    stages.end(5)


def test_there_are_so_many_more_and_they_do_all_work(stages, eventually):
    go_on, begun = threading.Event(), []

    def hang():
        begun.append(threading.current_thread())
        go_on.wait(10)

    for _ in range(40):
        stages.run(hang)
    eventually(lambda: len(begun) == USUAL)
    stages._begun_at -= 5
    for _ in range(10):
        stages.look()
        stages._begun_at -= 5
    eventually(lambda: len(begun) == USUAL + MORE)
    go_on.set()

    eventually(lambda: len(begun) == 40)


def test_while_work_goes_on_there_are_no_more(stages, eventually):
    threads = set()
    done = []

    def quick():
        threads.add(threading.current_thread())
        done.append(1)

    for _ in range(50):
        stages.run(quick)
        stages.look()
    eventually(lambda: len(done) == 50)

    assert len(threads) <= USUAL
