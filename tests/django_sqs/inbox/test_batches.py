"""Batches with ``once=True``: what is noted, what is rolled back, and what another has done."""

import contextlib
import threading
import time

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

import django_sqs
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.inbox.once import run_all_once
from django_sqs.message import RawMessage
from django_sqs.signals import message_received
from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail

from ...site.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


def named(*names):
    messages = [RawMessage(body=name) for name in names]
    for message, name in zip(messages, names, strict=True):
        message.id = name
    return messages


def write(messages):
    Order.objects.bulk_create([Order(title=message.get_body()) for message in messages])


def written():
    return sorted(Order.objects.values_list("title", flat=True))


def noted():
    return sorted(ReceivedMessage.objects.values_list("message_id", flat=True))


def test_all_are_noted_with_their_effect():
    run_all_once("queue", named("b", "a", "c"), write)

    assert written() == noted() == ["a", "b", "c"]


def test_what_was_received_before_is_not_received_again():
    run_all_once("queue", named("a", "b"), write)
    messages = named("a", "b", "c")

    run_all_once("queue", messages, write)
    run_all_once("queue", named("a", "c"), lambda messages: pytest.fail("nothing is new"))

    assert written() == ["a", "b", "c"]
    assert [message.received_before for message in messages] == [True, True, False]


def test_the_same_message_twice_in_a_batch_has_one_effect():
    run_all_once("queue", named("a", "a", "b"), write)

    assert written() == noted() == ["a", "b"]


@pytest.mark.skipif(connection.vendor != "mysql", reason="others show nothing uncommitted")
def test_what_another_has_noted_and_not_committed_is_waited_for():
    level = "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"
    inside, ran = threading.Event(), []

    def fail(messages):
        inside.set()
        time.sleep(0.5)
        raise ValueError("rolled back")

    def other():
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(level)
            with pytest.raises(ValueError, match="rolled back"):
                run_all_once("queue", named("a", "b"), fail)

    thread = threading.Thread(target=other)
    with connection.cursor() as cursor:
        cursor.execute(level)
    thread.start()
    try:
        assert inside.wait(10)
        run_all_once("queue", named("a", "b"), lambda messages: ran.extend(messages))
    finally:
        thread.join()
        connection.close()

    assert len(ran) == 2
    assert noted() == ["a", "b"]


def test_an_exception_rolls_back_effects_and_notes():
    def fail(messages):
        write(messages)
        raise ValueError("after all")

    with pytest.raises(ValueError, match="after all"):
        run_all_once("queue", named("a", "b"), fail)

    assert written() == noted() == []


def test_what_is_to_be_restarted_is_not_noted():
    def receive(messages):
        for message in messages:
            if message.id == "b":
                message.restart()
            if message.id == "c":
                message.fail(ValueError("it"))

    run_all_once("queue", named("a", "b", "c"), receive)

    assert noted() == ["a"]


def test_one_that_another_worker_notes_in_between(monkeypatch):
    real, asked = ReceivedMessage.objects.using, []

    def using(alias):
        manager = real(alias)
        if not asked:
            # After the look at what is known, and before the notes.
            asked.append(alias)
            ReceivedMessage.objects.create(queue="queue", message_id="b")
            return manager.none()
        return manager

    monkeypatch.setattr(ReceivedMessage.objects, "using", using)
    messages = named("a", "b", "c")

    run_all_once("queue", messages, write)

    assert written() == ["a", "c"]
    assert [message.received_before for message in messages] == [False, True, False]


def test_a_thousand_are_noted(django_assert_max_num_queries):
    names = [f"{n:04}" for n in range(1_000)]
    with django_assert_max_num_queries(60):
        run_all_once("queue", named(*names), lambda messages: None)

    assert noted() == names


def test_a_database_that_is_away_is_nobodys_fault(monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("away")

    monkeypatch.setattr(ReceivedMessage.objects, "using", away)

    with pytest.raises(EnvironmentFailure, match="cannot be noted"):
        run_all_once("queue", named("a", "b"), write)


def test_a_receiver_that_caught_an_error_of_the_database():
    def catch(messages):
        write(messages)
        taken = Order.objects.get(title="a").id
        with contextlib.suppress(IntegrityError), transaction.atomic(savepoint=False):
            Order.objects.create(id=taken, title="again")

    with pytest.raises(transaction.TransactionManagementError):
        run_all_once("queue", named("a", "b"), catch)

    assert written() == noted() == []


class TestFromAQueue:
    @pytest.fixture(autouse=True)
    def forgotten(self):
        yield
        django_sqs.receivers.queues.pop("lines", None)
        django_sqs.receivers.close()

    @pytest.fixture
    def receive(self, site, prefix, counts):
        """Send bodies, and have a receiver get them; returns the queue's name in SQS."""

        def receive(fn, bodies, **options):
            django_sqs.receivers.close()
            queue = django_sqs.register("lines", fn, batch=50, wait=3, once=True, **options)
            queue.send_many(bodies)
            ReceiverConsumer(django_sqs.receivers, [queue], message_limit=len(bodies)).run()
            return queue.full_name()

        return receive

    def test_rows_in_one_statement(self, receive, counts):
        told = []

        def note(sender, queue, message, **kwargs):
            told.append(message.get_body())

        message_received.connect(note)
        try:
            name = receive(write, ["a", "b", "c", "d"])
        finally:
            message_received.disconnect(note)

        assert written() == sorted(told) == ["a", "b", "c", "d"]
        assert len(noted()) == 4
        assert counts(name) == (0, 0, 0)

    def test_the_culprit_is_found_and_each_half_committed(self, receive, counts):
        def write_or_fail(messages):
            write(messages)
            if any(message.get_body() == "bad" for message in messages):
                raise ValueError("a bad one")

        name = receive(
            write_or_fail, ["a", "b", "bad", "c", "d"], on_error="bisect", discard=ValueError
        )

        assert written() == ["a", "b", "c", "d"]
        assert len(noted()) == 4
        assert counts(name) == (0, 0, 0)

    def test_one_that_was_done_before_is_not_blamed_for_the_others(self, site, sqs, counts, caplog):
        seen = []

        def fail(messages):
            seen.extend(message.get_body() for message in messages)
            raise ValueError("all that came")

        django_sqs.receivers.close()
        queue = django_sqs.register("lines", fail, batch=3, wait=5, once=True)
        name = queue.full_name()
        ReceivedMessage.objects.create(queue=name, message_id="known")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        for identity in ("known", "a", "b"):
            trail = {TRAIL: Trail(identity).attribute()}
            sqs.send_message(QueueUrl=url, MessageBody=identity, MessageAttributes=trail)

        ReceiverConsumer(django_sqs.receivers, [queue], message_limit=3).run()

        assert len(seen) == 2
        assert noted() == ["known"]
        assert sum("made its receiver fail" in r.getMessage() for r in caplog.records) == 2
        assert counts(name) == (0, 0, 0)
