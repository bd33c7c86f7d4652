"""Tickets: a message is cancelled or started, whichever comes first, and both sides know."""

import asyncio
import contextlib
import pickle
import threading
import uuid
from collections import Counter

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    MessageCancelled,
    MessageEncodeError,
    Middleware,
    RestartLater,
)
from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.testing import receive_at_once
from django_sqs_kombu.transport.sending.trail import Trail


class Cache:
    """A cache as those of Django are, for one process."""

    def __init__(self):
        self.values = {}
        self.fails = False

    def add(self, key, value, timeout):
        if self.fails:
            raise OSError("the cache is away")
        assert timeout == 2_419_200
        return self.values.setdefault(key, value) is value

    def get(self, key):
        return self.values.get(key)


class Operations(Middleware):
    def __init__(self):
        self.counted = Counter()

    def settled(self, settlement):
        self.counted[settlement.operation] += 1


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def queue(ticketed):
    seen = []
    queue = ticketed.register("orders", seen.append)
    queue.seen = seen
    return queue


def test_what_is_cancelled_is_deleted_unrun(ticketed, queue, counts, prefix, eventually):
    operations = Operations()
    ticketed.middleware.append(operations)
    ticket = queue.send(body="x", ticket=True)

    assert ticket.cancel()
    assert ticket.cancel(), "it stays cancelled"
    with pytest.raises(MessageCancelled):
        queue.receive_single()

    assert not queue.seen
    assert operations.counted == {"cancelled": 1}
    eventually(lambda: counts(f"{prefix}__orders") == (0, 0, 0))


def test_a_cache_that_takes_no_note_drops_nothing(queue, cache, monkeypatch, eventually):
    ticket = queue.send(body="x", ticket=True)
    with monkeypatch.context() as away:
        # As Django's cache in a database does where a write fails, and others that are told to
        # ignore errors.
        away.setattr(cache, "add", lambda key, value, timeout: False)
        with pytest.raises(EnvironmentFailure, match="Cannot find out whether it was cancelled"):
            queue.receive_single()
        with pytest.raises(EnvironmentFailure, match="does not store the note"):
            ticket.cancel()
    assert not queue.seen
    # It is tried again later.
    eventually(lambda: queue.receive_single() is not None)

    assert len(queue.seen) == 1


def test_what_has_run_says_so(queue):
    ticket = queue.send(body="x", ticket=True)
    queue.receive_single()

    assert not ticket.cancel()
    assert not queue.cancel(ticket.id), "by its id, too"
    assert len(queue.seen) == 1


def test_coroutines_cancel_it_too(queue):
    waits, runs = queue.send(body="x", delay=60), queue.send(body="x", ticket=True)
    queue.receive_single()

    assert asyncio.run(waits.acancel())
    assert asyncio.run(queue.acancel(uuid.UUID(waits.id)))
    assert not asyncio.run(runs.acancel())
    with pytest.raises(ConfigurationError, match="not the id of a ticket"):
        asyncio.run(queue.acancel("x"))
    with pytest.raises(ConfigurationError, match="without a ticket"):
        asyncio.run(queue.send(body="x").acancel())


def test_what_has_begun_is_tried_again_though_somebody_would_cancel_it(ticketed):
    tries = []

    @ticketed.receiver("orders")
    def fail_once(message):
        tries.append(Trail.of(message.message_attributes).id)
        if len(tries) == 1:
            raise RestartLater(0, counts=False)

    ticket = fail_once(body="x", ticket=True)
    with pytest.raises(RestartLater):
        fail_once.registered_queue.receive_single()
    assert not ticket.cancel()
    fail_once.registered_queue.receive_single()

    assert tries == [ticket.id, ticket.id]


def test_what_is_delayed_can_be_cancelled_and_other_messages_carry_nothing(queue):
    assert queue.send(body="x", delay=1).id is not None
    assert queue.outgoing(body="x", delay=1, ticket=False).id is None
    plain = queue.outgoing(body="x")
    assert (plain.id, plain.ticket) == (None, False)
    with pytest.raises(ConfigurationError, match="without a ticket"):
        queue.send(body="x").cancel()


def test_a_delayed_message_with_ten_attributes_is_sent_without_a_ticket(queue):
    ten = {f"n{number}": "x" for number in range(10)}

    assert queue.outgoing(body="x", delay=1, attributes=ten).id is None
    with pytest.raises(MessageEncodeError, match="needs 1"):
        queue.outgoing(body="x", ticket=True, attributes=ten)


def test_without_a_store_it_says_what_to_do(receivers):
    queue = receivers.register("orders", print)

    with pytest.raises(ConfigurationError, match=r"orders.*CacheTickets"):
        queue.send(body="x", ticket=True)
    with pytest.raises(ConfigurationError, match=r"orders.*CacheTickets"):
        queue.send(body="x", delay=900).cancel()
    with pytest.raises(ConfigurationError, match="CacheTickets"):
        queue.cancel("a")


def test_what_is_no_id_of_a_ticket_is_an_error(queue):
    for wrong in ("a", "", None, 5, "\0" * 36):
        with pytest.raises(ConfigurationError, match="not the id of a ticket"):
            queue.cancel(wrong)


def test_a_trail_of_somebody_else_is_no_ticket(queue, sqs, cache):
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    trail = Trail(id="\0", ticket=True).attribute()
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes={"django_sqs.trail": trail})
    queue.receive_single()

    assert len(queue.seen) == 1
    assert not cache.values


def test_a_store_that_is_away_costs_no_message(queue, cache):
    ticket = queue.send(body="x", ticket=True)
    cache.fails = True
    with pytest.raises(Exception, match="Cannot find out whether it was cancelled"):
        queue.receive_single()
    assert not queue.seen
    cache.fails = False

    # It comes again after a backoff.
    for _ in range(30):
        if queue.receive_single():
            break

    assert len(queue.seen) == 1
    assert not ticket.cancel()


def test_in_a_batch_the_ticket_is_there_before_the_message_is_sent(ticketed, queue):
    with ticketed.batch():
        tickets = [queue.send(body=str(number), ticket=True) for number in range(3)]
        assert tickets[1].cancel()

    for _ in range(3):
        with contextlib.suppress(MessageCancelled):
            queue.receive_single()

    assert sorted(message.get_body() for message in queue.seen) == ["0", "2"]


def test_either_it_runs_or_it_is_cancelled(ticketed, queue):
    tickets = [queue.send(body=str(number), ticket=True) for number in range(40)]
    answers = {}

    def cancel():
        for ticket in tickets:
            answers[ticket.id] = ticket.cancel()

    racing = threading.Thread(target=cancel)
    consumer = threading.Thread(target=queue.receive_loop, args=[40])
    consumer.start()
    racing.start()
    racing.join(20)
    consumer.join(30)
    assert not consumer.is_alive()

    ran = {Trail.of(message.message_attributes).id for message in queue.seen}
    assert len(queue.seen) == len(ran)
    assert {each for each, cancelled in answers.items() if not cancelled} == ran


def test_in_eager_mode_it_has_run(ticketed, queue):
    ticketed.outlet = receive_at_once
    try:
        ticket = queue.send(body="x", ticket=True)
    finally:
        ticketed.outlet = None

    assert not ticket.cancel()
    assert len(queue.seen) == 1


def test_it_can_be_handed_between_processes():
    raised = pickle.loads(pickle.dumps(MessageCancelled("a")))

    assert raised.ticket_id == "a"
    assert str(raised) == "it was cancelled"
