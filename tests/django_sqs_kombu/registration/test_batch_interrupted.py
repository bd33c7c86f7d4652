"""batch() whose end is interrupted: it is closed, and of each message is told what became of it."""

import asyncio
import time

import pytest

from django_sqs_kombu import (
    Batch,
    BatchDropped,
    BatchFailed,
    BatchInterrupted,
    SendManyFailed,
    TimedOut,
)
from django_sqs_kombu.working.deadline import deadline


@pytest.fixture
def orders(receivers):
    return receivers.register("orders")


def follow(batch, queue, body, heard):
    """Send in a batch; *heard* gets the body and what became of it."""
    batch.add(*queue.prepare(body=body).parts, follower=heard.extend, tag=body)


async def cancelled_amid_its_end(block):
    """Run ``block(batches)``, which notes its batch, and cancel it when that takes no more."""
    batches = []
    task = asyncio.create_task(block(batches))
    for _ in range(3000):
        if batches and not batches[0].is_open:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


def test_a_timeout_while_it_sends_says_what_was_not_sent_and_what_may_have_been(
    fragile, proxy, caplog
):
    queues = [fragile.register(name) for name in ("first", "second", "third")]
    for queue in queues:
        queue.send(body="made")
    heard = []

    def block():
        with fragile.batch() as batch:
            for queue in queues:
                for number in range(2):
                    follow(batch, queue, f"{queue.name} {number}", heard)
            proxy.set("hung", "SendMessageBatch", count=1)

    with pytest.raises(TimedOut), deadline(0.5):
        block()

    kinds = {tag: type(error) for tag, error in heard}
    assert kinds == {
        **{f"first {number}": BatchInterrupted for number in range(2)},
        **{f"{name} {number}": BatchDropped for name in ("second", "third") for number in range(2)},
    }
    assert "Messages of a batch(): 6 not accepted" in caplog.text


def test_what_takes_messages_in_a_test_may_fail(receivers, orders):
    heard = []

    def outlet(registered, queue, outgoing):
        if outgoing.body == "b":
            raise KeyError

    def block():
        with receivers.batch() as batch:
            for body in "abc":
                follow(batch, orders, body, heard)

    receivers.outlet = outlet
    try:
        with pytest.raises(KeyError):
            block()
    finally:
        receivers.outlet = None

    assert [(tag, type(error)) for tag, error in heard] == [
        ("a", type(None)),
        ("b", BatchInterrupted),
        ("c", BatchDropped),
    ]


def test_the_other_followers_hear_though_one_is_interrupted(receivers, orders, bodies):
    heard = []

    def interrupted(ends):
        raise KeyboardInterrupt

    def block():
        with receivers.batch() as batch:
            batch.add(*orders.prepare(body="a").parts, follower=interrupted)
            follow(batch, orders, "b", heard)

    with pytest.raises(KeyboardInterrupt):
        block()

    assert heard == [("b", None)]
    assert sorted(bodies("orders")) == ["a", "b"]


def test_an_interruption_before_it_sends_drops_as_one_in_the_block(receivers, orders, bodies):
    class Struck(Batch):
        def ending(self):
            raise KeyboardInterrupt

    heard = []
    batch = Struck(receivers)

    def block():
        with batch:
            follow(batch, orders, "dropped", heard)
            with Batch(receivers, decided=True):
                orders.send(body="decided")

    with pytest.raises(KeyboardInterrupt):
        block()

    assert not batch.is_open
    assert [(tag, type(error)) for tag, error in heard] == [("dropped", BatchDropped)]
    assert bodies("orders") == ["decided"]


def test_a_coroutine_that_is_cancelled_while_it_sends_ends_soon_and_all_is_sent(
    fragile, proxy, bodies, eventually
):
    orders, mail = fragile.register("orders"), fragile.register("mail")
    orders.send(body="made")
    mail.send(body="made")
    heard = []

    async def block(batches):
        async with fragile.batch() as batch:
            batches.append(batch)
            follow(batch, orders, "a", heard)
            follow(batch, mail, "b", heard)
            proxy.set("stalled", late=3)

    assert asyncio.run(cancelled_amid_its_end(block)) < 2

    eventually(lambda: len(heard) == 2)
    assert sorted(heard) == [("a", None), ("b", None)]
    assert sorted(bodies("orders") + bodies("mail")) == ["a", "b", "made", "made"]


def test_what_is_refused_after_a_cancellation_is_logged(
    fragile, proxy, server, prefix, eventually, caplog
):
    orders = fragile.register("orders")
    orders.send(body="made")
    heard = []

    async def block(batches):
        async with fragile.batch() as batch:
            batches.append(batch)
            follow(batch, orders, "a", heard)
            follow(batch, orders, "b", heard)
            proxy.set("stalled", late=1)

    with server.refusing("SendMessageBatch", f"{prefix}__orders"):
        asyncio.run(cancelled_amid_its_end(block))
        eventually(
            lambda: "CancelledError() is raised instead: Messages of a batch(): 2 " in caplog.text
        )

    assert [tag for tag, error in heard if error is not None] == ["a", "b"]


def ending_amid(batch, items):
    """*items*; the batch ends while they are read, as by another thread."""
    yield from items
    batch.__exit__(None, None, None)


def test_many_that_come_too_late_for_their_block_are_named_by_their_own_numbers(
    receivers, orders, server, prefix, bodies
):
    orders.send(body="made")
    server.failed_entries["SendMessageBatch", f"{prefix}__orders"] = [
        [(1, "InvalidMessageContents", True)]
    ]
    items = ["a", object(), "b", "c"]

    batch = receivers.batch().__enter__()
    with pytest.raises(SendManyFailed) as caught:
        orders.send_many(ending_amid(batch, items))

    failures = caught.value.failures
    assert [(each.number, each.item) for each in failures] == [(1, items[1]), (2, "b")]
    assert caught.value.sent == 2
    assert sorted(bodies("orders")) == ["a", "c", "made"]


def test_many_that_come_too_late_and_are_not_tried_are_named_once(
    receivers, orders, server, prefix
):
    orders.send(body="made")
    items = [object() if number % 10 == 0 else str(number) for number in range(400)]

    batch = receivers.batch().__enter__()
    with (
        server.refusing("SendMessageBatch", f"{prefix}__orders"),
        pytest.raises(SendManyFailed) as caught,
    ):
        orders.send_many(ending_amid(batch, items))

    failed = caught.value
    untried = [] if failed.untried_from is None else items[failed.untried_from :]
    assert failed.sent == 0
    assert [each.item for each in failed.failures] + untried == items
    assert all(items[each.number] is each.item for each in failed.failures)


def test_a_batch_that_fails_says_so_where_nothing_interrupts_it(receivers, orders, server, prefix):
    orders.send(body="made")

    async def block():
        async with receivers.batch():
            await orders.asend(body="x")

    with (
        server.refusing("SendMessageBatch", f"{prefix}__orders"),
        server.refusing("SendMessage", f"{prefix}__orders"),
        pytest.raises(BatchFailed),
    ):
        asyncio.run(block())
