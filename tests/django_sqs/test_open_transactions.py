"""Transactions that a receiver leaves open: its message fails, and what is noted of it stays."""

import gc

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, router, transaction

import django_sqs
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.open_transactions import TransactionLeftOpen
from django_sqs.tickets.models import UniqueKey
from django_sqs_kombu import Middleware, ReceiverConsumer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, databases="__all__")]

KEY = {"unique": "report", "unique_for": 3600, "unique_until": "finished"}
kept = []


def used():
    """The connection that receivers write by."""
    return connections[router.db_for_write(UniqueKey)]


@pytest.fixture(autouse=True)
def none_kept(site, transactional_db):
    yield
    while kept:
        kept.pop().close()
    # One in memory is not closed, and serves the tests that follow.
    if not used().get_autocommit():
        used().set_autocommit(True)


class Failure(Exception):
    pass


def locked():
    with transaction.atomic(using=used().alias):
        yield 1
        yield 2


def failing(message):
    # The traceback keeps the generator, and that the transaction.
    rows = locked()
    raise Failure(next(rows))


def failing_for_another(message):
    try:
        failing(message)
    except Failure as exc:
        raise Failure(1) from exc


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

    assert not used().in_atomic_block
    assert not UniqueKey.objects.exists()
    assert not ReceivedMessage.objects.exists()
    assert queue.send(body="two", **KEY)


@pytest.mark.parametrize("once", [False, True])
def test_one_that_returns_so_has_failed(once):
    django_sqs.register("written")
    queue = django_sqs.register("left2", leaving, once=once)
    queue.send(body="one", **KEY)

    with pytest.raises(TransactionLeftOpen) as raised:
        queue.receive_single()

    assert f"transaction that it had opened on {used().alias}," in str(raised.value)
    assert not used().in_atomic_block
    assert not UniqueKey.objects.exists()
    assert not ReceivedMessage.objects.exists()


@pytest.mark.parametrize("receive", [failing, failing_for_another, leaving])
def test_the_next_message_is_whole(receive):
    """Also where the block is left in the midst of it."""
    held = []

    def follow(message):
        UniqueKey.objects.create(digest="of the next", expires=9e9, ticket_id="x")
        held.clear()
        for rows in kept:
            rows.close()
        gc.collect()

    django_sqs.register("written")
    queue = django_sqs.register("left3", receive)
    following = django_sqs.register("left4", follow, once=True)
    queue.send(body="one")
    following.send(body="two")
    try:
        queue.receive_single()
    except (Failure, TransactionLeftOpen) as exc:
        held.append(exc)
    assert held

    assert following.receive_single()
    assert UniqueKey.objects.filter(digest="of the next").exists()
    assert ReceivedMessage.objects.count() == 1


@pytest.mark.skipif("used().vendor == 'mysql'", reason="its drivers do not know")
@pytest.mark.parametrize("begin", ["BEGIN", None])
def test_a_transaction_without_a_block_is_seen(begin):
    def receive(message):
        if begin:
            used().cursor().execute(begin)
        else:
            used().set_autocommit(False)
        UniqueKey.objects.create(digest="an effect", expires=9e9, ticket_id="x")

    queue = django_sqs.register("left6", receive)
    queue.send(body="one")

    with pytest.raises(TransactionLeftOpen):
        queue.receive_single()

    assert not UniqueKey.objects.exists()
    assert used().get_autocommit()


def test_one_that_committed_by_itself_is_done():
    def receive(message):
        used().set_autocommit(False)
        UniqueKey.objects.create(digest="an effect", expires=9e9, ticket_id="x")
        used().commit()

    queue = django_sqs.register("left7", receive)
    queue.send(body="one")

    assert queue.receive_single()
    assert UniqueKey.objects.exists()


@pytest.mark.skipif("used().vendor == 'sqlite'", reason="one in memory waits for nobody")
def test_what_runs_on_a_loop_fails_too():
    async def receive(message):
        rows = locked()
        kept.append(rows)
        await sync_to_async(next)(rows)
        await sync_to_async(UniqueKey.objects.create)(
            digest="an effect", expires=9e9, ticket_id="x"
        )

    told = []

    class Told(Middleware):
        def settled(self, settlement):
            told.append(settlement.raised)

    queue = django_sqs.register("left8", receive)
    queue.send(body="one")
    django_sqs.receivers.middleware.append(Told())
    try:
        ReceiverConsumer(django_sqs.receivers, [queue], coroutines=2, message_limit=1).run()
    finally:
        django_sqs.receivers.middleware.pop()

    assert [type(each) for each in told] == [TransactionLeftOpen]
    assert not UniqueKey.objects.exists()


def test_that_of_a_test_is_left_to_it():
    with transaction.atomic(using=used().alias):
        queue = django_sqs.register("left5", failing)
        queue.send(body="one", on_commit=False)
        with pytest.raises(Failure):
            queue.receive_single()
        assert used().in_atomic_block
        UniqueKey.objects.create(digest="the test's", expires=9e9, ticket_id="x")
    assert not used().in_atomic_block
    assert UniqueKey.objects.exists()
