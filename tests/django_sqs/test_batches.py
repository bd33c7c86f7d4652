"""batch() and transactions: what waits for a commit goes with it, ten to a request."""

import asyncio
import contextlib
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import router, transaction

import django_sqs
from django_sqs.batches import AtCommit, DjangoBatch
from django_sqs.outbox.models import OutboxMessage
from django_sqs_kombu import BatchDropped, BatchFailed
from django_sqs_kombu.testing import captured

from ..site.shop.models import Order

SHOP = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def sent(site, sqs, prefix, counts):
    """How many messages a queue has, and how many requests have sent them."""
    sqs.create_queue(QueueName=f"{prefix}__plain")
    yield lambda name="plain": counts(f"{prefix}__{name}")[0]
    django_sqs.receivers.close()


@pytest.fixture
def requests(server, prefix):
    return lambda name="plain": (
        server.count("SendMessage", f"{prefix}__{name}")
        + server.count("SendMessageBatch", f"{prefix}__{name}")
    )


@SHOP
def test_a_batch_in_a_transaction_is_sent_at_its_commit_ten_to_a_request(sent, requests):
    with transaction.atomic():
        with django_sqs.batch():
            for number in range(30):
                django_sqs.send("plain", body=str(number), on_commit=True)
            assert django_sqs.send_many("plain", ["a", "b"], on_commit=True) == 2
            django_sqs.send("plain", body="now")
        assert sent() == 1

    assert sent() == 33
    assert requests() == 1 + 4


@SHOP
def test_transactions_in_a_batch_are_sent_together(sent, requests):
    with django_sqs.batch():
        for number in range(20):
            with transaction.atomic():
                django_sqs.send("plain", body=str(number), on_commit=True)
        assert sent() == 0

    assert sent() == 20
    assert requests() == 2


@SHOP
def test_what_is_committed_is_sent_though_the_batch_fails_later(sent):
    with contextlib.suppress(KeyError), django_sqs.batch():
        with transaction.atomic():
            django_sqs.send("plain", body="committed", on_commit=True)
        django_sqs.send("plain", body="not waiting for any commit")
        raise KeyError

    assert sent() == 1


@SHOP
def test_what_waits_is_sent_if_a_failed_batch_is_in_a_transaction_that_is_committed(sent):
    with transaction.atomic(), contextlib.suppress(KeyError), django_sqs.batch():
        django_sqs.send("plain", body="committed", on_commit=True)
        django_sqs.send("plain", body="not waiting for any commit")
        raise KeyError

    assert sent() == 1


@SHOP
def test_rollbacks_take_their_own_along_and_no_others(sent, requests):
    with transaction.atomic():
        with django_sqs.batch():
            django_sqs.send("plain", body="kept", on_commit=True)
            with contextlib.suppress(KeyError), transaction.atomic():
                django_sqs.send("plain", body="gone", on_commit=True)
                raise KeyError
            with django_sqs.batch():
                django_sqs.send("plain", body="kept, too", on_commit=True)
        assert sent() == 0
    assert (sent(), requests()) == (2, 1)

    with contextlib.suppress(KeyError), transaction.atomic():
        with django_sqs.batch():
            django_sqs.send("plain", body="gone", on_commit=True)
        raise KeyError
    assert (sent(), requests()) == (2, 1)


@SHOP
def test_nothing_is_lost_with_the_savepoint_in_which_a_batch_happens_to_end(sent):
    with transaction.atomic():
        batch = django_sqs.batch()
        batch.__enter__()
        django_sqs.send("plain", body="kept", on_commit=True)
        with contextlib.suppress(KeyError), transaction.atomic():
            batch.__exit__(None, None, None)
            raise KeyError

    assert sent() == 1


@SHOP
def test_rows_wait_for_the_commit_of_their_database(sent, requests):
    with transaction.atomic(using=router.db_for_write(Order)), django_sqs.batch():
        for number in range(10):
            order = Order.objects.create(title=str(number))
            django_sqs.send("rows", instance=order)

    assert (sent("rows"), requests("rows")) == (10, 1)


@SHOP
def test_what_is_refused_after_the_commit_is_logged_and_costs_no_other(
    sent, server, prefix, caplog
):
    # With a batch for each savepoint, both wait for the same commit.
    with server.refusing("SendMessageBatch", f"{prefix}__second"), transaction.atomic():
        with django_sqs.batch():
            for number in range(3):
                django_sqs.send("second", body=str(number), on_commit=True)
                django_sqs.send("plain", body=str(number), on_commit=True)
        django_sqs.send("plain", body="x", on_commit=True)

    assert sent() == 4
    [record] = [each for each in caplog.records if "after the commit" in each.message]
    assert record.exc_info[0] is BatchFailed
    assert [each.item for each in record.exc_info[1].failures] == ["0", "1", "2"]


@SHOP
def test_what_the_block_raises_is_raised_whatever_sqs_refuses(sent, server, prefix, caplog):
    def block():
        with django_sqs.batch():
            for number in range(2):
                with transaction.atomic():
                    django_sqs.send("plain", body=str(number), on_commit=True)
            raise KeyError

    with server.refusing("SendMessageBatch", f"{prefix}__plain"), pytest.raises(KeyError):
        block()

    assert "Messages of a batch(): 2 not accepted" in caplog.text


@SHOP
def test_the_outbox_writes_its_rows_at_once(sent):
    using = router.db_for_write(OutboxMessage)
    with contextlib.suppress(KeyError), django_sqs.batch():
        with transaction.atomic(using=using):
            django_sqs.send("plain", body="committed", outbox=True)
        assert OutboxMessage.objects.count() == 1
        raise KeyError

    assert OutboxMessage.objects.count() == 1


@pytest.mark.django_db(databases="__all__")
def test_in_a_test_case_it_is_sent_where_the_callbacks_of_the_commit_run(
    site, django_capture_on_commit_callbacks
):
    with captured(django_sqs.receivers) as messages:
        with django_capture_on_commit_callbacks(execute=True), django_sqs.batch():
            django_sqs.send("plain", body="x", on_commit=True)
            django_sqs.send("plain", body="y", outbox=True)
            assert [each.body for each in messages] == ["y"]

        assert [each.body for each in messages] == ["y", "x"]


@SHOP
def test_coroutines_send_at_the_commits_of_their_threads(sent, requests):
    @sync_to_async
    def place(number):
        with transaction.atomic():
            django_sqs.send("plain", body=f"placed {number}", on_commit=True)

    async def main():
        async with django_sqs.batch():
            for number in range(10):
                await place(number)
                await django_sqs.asend("plain", body=str(number))
        with contextlib.suppress(KeyError):
            async with django_sqs.batch():
                await django_sqs.asend("plain", body="gone")
                raise KeyError

    asyncio.run(main())

    assert (sent(), requests()) == (20, 2)


@SHOP
def test_a_coroutine_that_is_cancelled_as_its_batch_ends_loses_nothing_that_is_committed(
    sent, eventually
):
    heard, blocks = [], []
    occupied, go_on = threading.Event(), threading.Event()

    @sync_to_async
    def place():
        with transaction.atomic():
            django_sqs.send("plain", body="committed", on_commit=True)

    @sync_to_async
    def occupy():
        occupied.set()
        go_on.wait(30)

    async def late():
        while not (blocks and not blocks[0].is_open):
            await asyncio.sleep(0.01)
        await django_sqs.asend("plain", body="late")

    async def block(tasks):
        async with django_sqs.batch() as batch:
            await place()
            message = django_sqs.receivers.get("plain").prepare(body="dropped")
            batch.add(*message.parts, follower=heard.extend, tag="dropped")
            tasks.append(asyncio.create_task(late()))
            # The end asks in the thread that this holds.
            tasks.append(asyncio.create_task(occupy()))
            await asyncio.to_thread(occupied.wait, 30)
            blocks.append(batch)

    async def main():
        tasks = []
        try:
            ending = asyncio.create_task(block(tasks))
            while not (blocks or ending.done()):
                await asyncio.sleep(0.01)
            ending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await ending
            assert not blocks[0].is_open
            await asyncio.wait_for(tasks[0], 30)
        finally:
            go_on.set()
        await tasks[1]

    asyncio.run(main())

    eventually(lambda: sent() == 2)
    eventually(lambda: len(heard) == 1)
    assert isinstance(heard[0][1], BatchDropped)


@SHOP
def test_what_comes_at_a_commit_after_an_interrupted_end_is_sent(sent):
    class Struck(DjangoBatch):
        def ending(self):
            # A second database's, so that the interruption comes amid the list.
            self._at_commit["struck",] = Interrupting(self, ("struck",))
            self._at_commit = dict(reversed(self._at_commit.items()))
            super().ending()

    class Interrupting(AtCommit):
        def batch_ended(self):
            raise KeyboardInterrupt

    def block():
        with Struck(django_sqs.receivers):
            django_sqs.send("plain", body="committed", on_commit=True)

    with transaction.atomic():
        with pytest.raises(KeyboardInterrupt):
            block()
        assert sent() == 0

    assert sent() == 1


@SHOP
def test_a_coroutines_batch_within_a_transaction_of_its_caller_waits_for_that(sent, requests):
    @sync_to_async
    def place(number):
        django_sqs.send("plain", body=str(number), on_commit=True)

    async def main():
        async with django_sqs.batch():
            for number in range(10):
                await place(number)

    with transaction.atomic():
        async_to_sync(main)()
        assert sent() == 0

    assert (sent(), requests()) == (10, 1)
