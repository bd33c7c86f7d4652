import asyncio
import threading
import time

import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.transport.receiving import poller
from django_sqs_kombu.transport.receiving.inbox import Inbox

from .consuming import consume_until


def test_a_consumer_whose_limit_is_reached_rests_while_its_last_receiver_runs(
    receivers, monkeypatch
):
    wakes, ended = [], threading.Event()
    wake = Inbox.wake

    def counted(inbox):
        if not ended.is_set():
            wakes.append(inbox)
        wake(inbox)

    def receive(message):
        ended.wait(1.5)
        ended.set()

    monkeypatch.setattr(Inbox, "wake", counted)
    receivers.register("queue", receive)
    receivers.send("queue", body="x")
    consume_until(receivers, 1, threads=2)

    # It was told for as long as a core could.
    assert 0 < len(wakes) < 5


@pytest.fixture
def told(monkeypatch):
    """Whether a poller has told that a limit is reached, which it does no more after that."""
    told, wake = threading.Event(), Inbox.wake

    def noted(inbox):
        wake(inbox)
        told.set()

    monkeypatch.setattr(Inbox, "wake", noted)
    monkeypatch.setattr(poller, "LOOK", 600.0)
    return told


def plain(told):
    def receive(message):
        told.wait(20)
        time.sleep(0.1)

    return receive, {}, {"threads": 2}


def together(told):
    receive, _, consuming = plain(told)
    return receive, {"batch": 5, "wait": 30}, consuming


def coroutine(told):
    async def receive(message):
        while not told.is_set():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)

    return receive, {}, {"coroutines": 2}


@pytest.mark.parametrize("kind", [plain, together, coroutine])
def test_one_whose_limit_is_reached_ends_with_its_last_receiver(kind, receivers, told):
    receive, registering, consuming = kind(told)
    receivers.register("queue", receive, **registering)
    receivers.send("queue", body="x")
    consumer = ReceiverConsumer(receivers, message_limit=1, **consuming)
    guard = threading.Timer(60, consumer.stop)
    guard.start()
    # Nor does it look by itself.
    consumer.run(safety_interval=600)

    assert guard.is_alive()
    guard.cancel()
