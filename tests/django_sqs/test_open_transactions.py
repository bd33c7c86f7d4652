"""Transactions that a receiver leaves open: its message fails, and what is noted of it stays."""

import pytest
from django.db import connection, transaction

import django_sqs
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.open_transactions import TransactionLeftOpen
from django_sqs.tickets.models import UniqueKey

pytestmark = pytest.mark.slow

KEY = {"unique": "report", "unique_for": 3600, "unique_until": "finished"}
kept = []


@pytest.fixture(autouse=True)
def none_kept(site, transactional_db):
    yield
    while kept:
        kept.pop().close()


class Failure(Exception):
    pass


def locked():
    with transaction.atomic():
        yield 1
        yield 2


def failing(message):
    # The traceback keeps the generator, and that the transaction.
    for row in locked():
        raise Failure(row)


def leaving(message):
    rows = locked()
    kept.append(rows)
    next(rows)
    django_sqs.send("written", body="x", outbox=False)
    UniqueKey.objects.create(digest="an effect", expires=9e9, ticket_id="x")


@pytest.mark.parametrize("once", [False, True])
def test_the_end_of_one_that_fails_is_noted(once):
    queue = django_sqs.register("left1", failing, once=once)
    assert queue.send(body="one", **KEY)

    with pytest.raises(Failure):
        queue.receive_single()

    assert not connection.in_atomic_block
    assert not UniqueKey.objects.exists()
    assert not ReceivedMessage.objects.exists()
    assert queue.send(body="two", **KEY)


@pytest.mark.parametrize("once", [False, True])
def test_one_that_returns_so_has_failed(once):
    django_sqs.register("written")
    queue = django_sqs.register("left2", leaving, once=once)
    queue.send(body="one", **KEY)

    with pytest.raises(TransactionLeftOpen, match=r"transaction of its own on default"):
        queue.receive_single()

    assert not connection.in_atomic_block
    assert not UniqueKey.objects.exists()
    assert not ReceivedMessage.objects.exists()


def test_the_next_message_is_whole():
    queue = django_sqs.register("left3", failing)
    following = django_sqs.register("left4", lambda message: None, once=True)
    queue.send(body="one")
    following.send(body="two")
    with pytest.raises(Failure) as raised:
        queue.receive_single()

    assert following.receive_single()
    assert raised.value.args == (1,)
    assert ReceivedMessage.objects.count() == 1


def test_that_of_a_test_is_left_to_it():
    with transaction.atomic():
        queue = django_sqs.register("left5", failing)
        queue.send(body="one", on_commit=False)
        with pytest.raises(Failure):
            queue.receive_single()
        assert connection.in_atomic_block
