"""``unique_until=``: a message gives its key back when it starts, or at its end."""

import asyncio
import contextlib
import logging
import threading
import time

import pytest

from django_sqs_kombu import (
    CacheTickets,
    EnvironmentFailure,
    RawMessage,
    RestartLater,
    Retry,
)
from django_sqs_kombu.testing import eager
from django_sqs_kombu.transport.sending import resending
from django_sqs_kombu.transport.sending.trail import FINISHED, TRAIL, Trail
from django_sqs_kombu.working import Ended, KeyWriter, ends_of_keys

from ..own_cache import OwnCache
from .consuming import consume_until


@pytest.fixture
def cache():
    return OwnCache()


def sent(queue, until="finished", **options):
    """Whether a message of the key is sent, for no other has it."""
    options = {"body": "x", **options}
    return queue.send(unique="a", unique_for=3_600, unique_until=until, **options).sent


def receive(queue):
    with contextlib.suppress(Exception):
        return queue.receive_single()


@pytest.mark.parametrize("until", ["started", "finished"])
def test_one_waits_or_one_waits_or_runs(ticketed, until):
    within = []
    queue = ticketed.register("orders", lambda _: within.append(sent(queue, until)))

    assert sent(queue, until)
    assert not sent(queue, until)
    queue.receive_single()
    # Until it finishes no other is sent, or another may be sent as soon as it has started.
    assert within == [until == "started"]
    assert sent(queue, until) == (until == "finished")


def failing(message):
    raise ValueError


class Unreadable(RawMessage):
    @classmethod
    def decode(cls, text):
        raise ValueError(text)


class Undeletable(RawMessage):
    def delete(self):
        super().delete()
        raise OSError("S3 is away")


def test_what_is_deleted_on_start_frees_its_key_whatever_fails_at_its_end(
    ticketed, server, monkeypatch
):
    def restart(message):
        for operation in ("SendMessage", "SendMessageBatch"):
            server.faults[operation, lost.full_name()] = (403, "AccessDenied")
        raise RestartLater(5)

    monkeypatch.setattr(resending, "PAUSES", ())
    left = ticketed.register("left", print, delete_on_start=True, message_class=Undeletable)
    lost = ticketed.register("lost", restart, delete_on_start=True)
    for queue in (left, lost):
        assert sent(queue)
        receive(queue)
    server.faults.clear()

    assert sent(left)
    assert sent(lost)


class Later(RawMessage):
    @classmethod
    def from_delivery(cls, delivery, queue=None):
        raise EnvironmentFailure("the database is away")


@pytest.mark.parametrize("options", [{}, {"batch": 2, "wait": 0.1}], ids=["one", "a batch"])
def test_what_cannot_be_read_now_has_not_started_and_keeps_its_key(ticketed, options):
    queue = ticketed.register("orders", print, message_class=Later, **options)
    assert sent(queue, "started")

    if options:
        consume_until(ticketed, 1)
    else:
        receive(queue)

    assert not sent(queue, "started")


ENDS = {
    "a failure": ({"fn": failing}, {}),
    "a failure that is discarded": ({"fn": failing, "discard": ValueError}, {}),
    "a dead letter": (
        {"fn": failing, "dead_letter": ValueError, "dead_letter_queue": "dead"},
        {},
    ),
    "its last receive": (
        {"fn": failing, "dead_letter_queue": "dead", "max_receives": 1},
        {},
    ),
    "its last try": ({"fn": failing, "retry": Retry(ValueError, tries=1)}, {}),
    "deleted on start": ({"fn": failing, "delete_on_start": True}, {}),
    "deleted by its receiver": ({"fn": lambda message: message.delete()}, {}),
    "unreadable": ({"fn": print, "message_class": Unreadable}, {}),
    "expired": ({"fn": print}, {"expires": 0.01}),
}


@pytest.mark.parametrize(
    ("end", "until"), [*((end, "finished") for end in ENDS), ("expired", "started")]
)
def test_whatever_ends_it_frees_its_key(ticketed, end, until):
    registered, options = ENDS[end]
    queue = ticketed.register("orders", **registered)
    assert sent(queue, until, **options)
    if options:
        time.sleep(0.02)

    receive(queue)

    assert sent(queue, until)


@pytest.mark.parametrize(
    "options",
    [
        {"fn": lambda message: (_ for _ in ()).throw(RestartLater(60))},
        {"fn": failing, "retry": Retry(ValueError, tries=2, backoff=60)},
        {"fn": failing, "dead_letter_queue": "dead", "max_receives": 3},
    ],
    ids=["a restart", "a retry", "redriven"],
)
def test_what_is_tried_again_keeps_its_key(ticketed, options):
    queue = ticketed.register("orders", **options)
    assert sent(queue)

    receive(queue)

    assert not sent(queue)


def test_what_may_be_tried_again_keeps_its_key(ticketed, server):
    tries = []

    def fail(message):
        tries.append(message)
        raise ValueError

    queue = ticketed.register("orders", fail, visibility_timeout=1)
    # Whether SQS redelivers it cannot be learnt.
    server.faults["GetQueueAttributes", queue.full_name()] = (403, "AccessDenied")
    assert sent(queue)

    receive(queue)
    assert not sent(queue)
    time.sleep(1.1)
    receive(queue)

    assert len(tries) == 2


def test_the_copy_that_a_restart_sends_frees_it(ticketed):
    tries = []

    @ticketed.receiver("orders")
    def restart_once(message):
        tries.append(message)
        if len(tries) == 1:
            raise RestartLater(0, counts=False)

    queue = restart_once.registered_queue
    assert sent(queue)
    receive(queue)
    assert not sent(queue)

    receive(queue)

    assert len(tries) == 2
    assert sent(queue)


@pytest.mark.parametrize("unique", [{}, {"unique_until": "finished"}])
def test_what_is_cancelled_frees_its_key(ticketed, unique):
    queue = ticketed.register("orders", print)
    first = queue.send(body="1", unique="a", unique_for=60, **unique)
    assert first.cancel()

    second = queue.send(body="2", unique="a", unique_for=60, **unique)

    assert second.sent
    # When the first is dropped the key is the second's.
    receive(queue)
    receive(queue)
    assert queue.send(body="3", unique="a", unique_for=60, **unique).sent == bool(unique)


def test_without_an_end_a_key_is_kept_for_its_time(ticketed, cache):
    queue = ticketed.register("orders", print)
    assert queue.send(body="1", unique="a", unique_for=60).sent

    queue.receive_single()

    assert not queue.send(body="2", unique="a", unique_for=60).sent
    cache.now = 61
    assert queue.send(body="2", unique="a", unique_for=60).sent


def test_who_has_the_key_after_its_time_does_not_lose_it_to_the_one_before(ticketed, cache):
    queue = ticketed.register("orders", lambda message: running.append(take_over()))
    running = []

    def take_over():
        cache.now = 3_601
        return sent(queue)

    assert sent(queue)
    queue.receive_single()

    assert running == [True]
    assert not sent(queue)


def test_of_a_batch_each_frees_its_own(ticketed):
    within = []

    def receive(messages):
        within.extend(send(n, "finished") for n in range(3))
        messages[1].restart(600)

    queue = ticketed.register("orders", receive, batch=3, wait=5)

    def send(number, until):
        return queue.send(
            body=str(number), unique=str(number), unique_for=60, unique_until=until
        ).sent

    assert [send(n, "finished") for n in range(3)] == [True] * 3
    consume_until(ticketed, 3)

    assert within == [False] * 3
    assert sorted(send(n, "finished") for n in range(3)) == [False, True, True]


@pytest.mark.parametrize("until", ["started", "finished"])
def test_of_a_coroutine_too(ticketed, until):
    within = []

    @ticketed.receiver("orders")
    async def receive(message):
        within.append(await asyncio.to_thread(sent, queue, until))

    queue = receive.registered_queue
    assert sent(queue, until)
    consume_until(ticketed, 1, coroutines=20)

    assert within == [until == "started"]
    assert sent(queue, until) == (until == "finished")


@pytest.mark.parametrize("until", ["started", "finished"])
def test_in_eager_mode_too(ticketed, until):
    within = []

    def receive(message):
        if message.get_body() == "x":
            within.append(sent(queue, until, body="nested"))

    queue = ticketed.register("orders", receive)
    with eager(ticketed):
        assert sent(queue, until)
        assert sent(queue, until, body="y")

    assert within == [until == "started"]


def test_a_store_that_is_away_holds_the_message_until_its_key_is_free(ticketed, cache):
    runs = []

    def receive(message):
        runs.append(message)
        cache.fails = True
        threading.Timer(0.3, lambda: setattr(cache, "fails", False)).start()

    queue = ticketed.register("orders", receive)
    assert sent(queue)
    queue.receive_single()

    assert len(runs) == 1
    assert sent(queue)


def test_a_receiver_does_not_start_before_its_key_is_free(ticketed, cache, monkeypatch, eventually):
    runs = []
    queue = ticketed.register("orders", runs.append)
    assert sent(queue, "started")
    with monkeypatch.context() as patch:
        patch.setattr(cache, "delete", lambda key: 1 / 0)
        with pytest.raises(Exception, match="cannot be given back"):
            queue.receive_single()
    assert not runs
    assert not sent(queue, "started")

    eventually(lambda: receive(queue) is not None)

    assert len(runs) == 1
    assert sent(queue, "started")


def test_a_key_whose_claim_the_caches_client_sent_twice_is_freed_with_its_message():
    class AsksAgain(OwnCache):
        def add(self, key, value, timeout):
            # The first answer was lost, as Redis's client may do without a word.
            super().add(key, value, timeout)
            return super().add(key, value, timeout)

    store = CacheTickets(AsksAgain())
    assert store.claim("digest", "a", 60) == "a"
    assert store.claim("digest", "b", 60) == "a"

    store.free_at_start("a")

    assert store.claim("digest", "b", 60) == "b"


def test_a_store_that_stays_away_holds_no_message_for_ever(monkeypatch, caplog):
    writer, store = KeyWriter(), CacheTickets(OwnCache())
    store._cache.fails = True
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            writer.write([Ended(store, "a"), Ended(store, "b")])
    monkeypatch.setattr(ends_of_keys, "PATIENCE", 0)

    with caplog.at_level(logging.WARNING):
        writer.write([Ended(store, "a")])

    assert "ticket a" in caplog.text
    assert "until unique_for is over" in caplog.text


def test_what_somebody_else_writes_frees_nothing(ticketed, sqs):
    queue = ticketed.register("orders", print)
    ticket = queue.send(body="x", unique="a", unique_for=60, unique_until="finished", delay=50)
    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    others = [{}, {"id": "\0"}, {"id": "a" * 36}, {"id": ticket.id, "frees": "never"}]
    for each in others:
        trail = Trail(**{"ticket": True, "frees": FINISHED, **each}).attribute()
        sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes={TRAIL: trail})

    consume_until(ticketed, len(others))

    assert not sent(queue)
