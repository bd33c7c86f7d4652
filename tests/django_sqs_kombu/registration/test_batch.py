"""batch(): what is sent in a block goes when it ends, ten to a request."""

import asyncio
import contextlib
import contextvars
import itertools
import json
import threading
import time

import pytest

from django_sqs_kombu import (
    BatchDropped,
    BatchFailed,
    MessageEncodeError,
    MessageTooLarge,
    Receivers,
    SendManyFailed,
)
from django_sqs_kombu.registration import open_batch
from django_sqs_kombu.testing import captured


@pytest.fixture
def orders(receivers):
    return receivers.register("orders")


@pytest.fixture
def requests(server, prefix):
    """How many requests have sent messages to a queue: (one by one, ten to one)."""

    def requests(name="orders"):
        return tuple(
            server.count(operation, f"{prefix}__{name}")
            for operation in ("SendMessage", "SendMessageBatch")
        )

    return requests


def test_a_hundred_sends_cost_ten_requests(receivers, orders, requests, bodies):
    with receivers.batch():
        for number in range(100):
            orders.send(body=str(number))
        assert requests() == (0, 0)

    assert requests() == (0, 10)
    assert sorted(map(int, bodies("orders"))) == list(range(100))


def test_a_single_send_goes_as_any_other(receivers, orders, bodies):
    with receivers.batch():
        orders.send(body="x")

    assert bodies("orders") == ["x"]


def test_nothing_sent_asks_nothing(receivers, orders, requests):
    with receivers.batch():
        pass

    assert requests() == (0, 0)


def test_an_exception_in_the_block_sends_nothing(receivers, orders, requests):
    heard = []

    def block():
        with receivers.batch() as batch:
            orders.send(body="x")
            orders.send_many(["y"])
            batch.add(*orders.prepare(body="z").parts, follower=heard.extend, tag="z")
            raise KeyError

    with pytest.raises(KeyError):
        block()
    assert requests() == (0, 0)
    [(tag, error)] = heard
    assert tag == "z"
    assert isinstance(error, BatchDropped)
    assert open_batch(receivers) is None


def test_what_is_wrong_with_a_message_is_raised_where_it_is_sent(receivers, orders, bodies):
    with receivers.batch():
        with pytest.raises(MessageTooLarge):
            orders.send(body="x" * 1_100_000)
        with pytest.raises(MessageEncodeError):
            orders.send(body="x", attributes={"": "x"})
        with pytest.raises(SendManyFailed) as caught:
            orders.send_many(["a", object(), "b"])
        orders.send(body="c")

    assert [failure.number for failure in caught.value.failures] == [1]
    assert sorted(bodies("orders")) == ["a", "b", "c"]


def test_each_message_that_sqs_refuses_is_named_and_the_others_are_sent(
    receivers, orders, server, prefix, bodies
):
    orders.send(body="made")
    server.failed_entries["SendMessageBatch", f"{prefix}__orders"] = [
        [(1, "InvalidMessageContents", True), (3, "InvalidMessageContents", True)]
    ]
    heard = []

    def block():
        with receivers.batch() as batch:
            for number in range(5):
                message = orders.prepare(body=str(number))
                batch.add(*message.parts, follower=heard.extend, tag=number)

    with pytest.raises(BatchFailed) as caught:
        block()
    failed = caught.value
    assert failed.sent == 3
    assert [(each.number, each.item) for each in failed.failures] == [(1, "1"), (3, "3")]
    assert {each.queue for each in failed.failures} == {f"{prefix}__orders"}
    assert "InvalidMessageContents" in str(failed)
    assert [tag for tag, error in heard if error is not None] == [1, 3]
    assert len(heard) == 5


def test_a_queue_that_is_denied_costs_only_its_own(receivers, orders, server, prefix, bodies):
    mail = receivers.register("mail")
    mail.send(body="made")

    def block():
        with receivers.batch():
            for number in range(25):
                mail.send(body=f"mail {number}")
                orders.send(body=str(number))

    with (
        pytest.raises(BatchFailed, match="sqs:SendMessage") as caught,
        server.refusing("SendMessageBatch", f"{prefix}__mail"),
    ):
        block()
    assert sorted(each.item for each in caught.value.failures) == sorted(
        f"mail {number}" for number in range(25)
    )
    assert caught.value.sent == 25
    assert len(bodies("orders")) == 25


def test_an_sqs_that_is_away_fails_every_message(fragile, proxy):
    orders = fragile.register("orders")
    orders.send(body="made")
    proxy.set("down")

    def block():
        with fragile.batch():
            for number in range(12):
                orders.send(body=str(number))

    with pytest.raises(BatchFailed) as caught:
        block()
    assert caught.value.sent == 0
    assert [each.item for each in caught.value.failures] == [str(n) for n in range(12)]


def test_a_block_within_another_is_sent_with_it(receivers, orders, requests, bodies):
    with receivers.batch():
        orders.send(body="a")
        with receivers.batch():
            orders.send(body="b")
        with contextlib.suppress(KeyError), receivers.batch():
            orders.send(body="gone")
            raise KeyError
        orders.send(body="c")
        assert requests() == (0, 0)

    assert sorted(bodies("orders")) == ["a", "b", "c"]


def test_a_batch_is_used_once(receivers, orders, requests):
    batch = receivers.batch()
    with batch:
        pass

    with pytest.raises(RuntimeError, match=r"batch\(\)"), batch:
        orders.send(body="x")

    assert open_batch(receivers) is None
    assert requests() == (0, 0)


def test_registries_have_batches_of_their_own(receivers, orders, requests, prefix):
    other = Receivers("sqs-batch://", prefix=prefix)
    with other.batch() as outer, receivers.batch():
        orders.send(body="a")
        assert open_batch(other) is outer
        assert requests() == (0, 0)
    assert sum(requests()) == 1
    with other.batch():
        orders.send(body="b")
        assert sum(requests()) == 2


def test_groups_of_a_fifo_queue_keep_their_order(receivers, sqs, prefix):
    fifo = receivers.register("steps.fifo")
    with receivers.batch():
        for number in range(10):
            for group in "ab":
                body = f"{group}{number}"
                fifo.send(body=body, group_id=group, deduplication_id=body)
        fifo.send_many(["a10", "a11"], group_id="a")

    url = sqs.get_queue_url(QueueName=f"{prefix}__steps.fifo")["QueueUrl"]
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(json.loads(message["Body"])["body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [body for body in found if body[0] == "a"] == [f"a{n}" for n in range(12)]
    assert [body for body in found if body[0] == "b"] == [f"b{n}" for n in range(10)]


def test_delays_and_attributes_are_kept(receivers, orders, counts, prefix):
    with receivers.batch():
        orders.send(body="later", delay=60)
        orders.send(body="now", attributes={"kind": "x"})

    assert counts(f"{prefix}__orders") == (1, 0, 1)


def test_threads_without_the_context_send_at_once(receivers, orders, requests):
    with receivers.batch():
        # As in a thread of Python before 3.14; later ones may be started with the context.
        contextvars.Context().run(orders.send, body="x")
        assert sum(requests()) == 1


def test_many_threads_send_in_one_block(receivers, orders, requests, bodies):
    with receivers.batch():
        contexts = [contextvars.copy_context() for _ in range(8)]
        threads = [
            threading.Thread(
                target=context.run,
                args=(lambda n: [orders.send(body=f"{n} {m}") for m in range(20)], n),
            )
            for n, context in enumerate(contexts)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert requests() == (0, 16)
    assert len(set(bodies("orders"))) == 160


def test_coroutines_send_in_their_block_and_no_other(receivers, orders, requests, bodies):
    async def block(name):
        async with receivers.batch():
            await asyncio.gather(*(orders.asend(body=f"{name} {n}") for n in range(10)))
            await asyncio.sleep(0.05)

    async def main():
        lonely = asyncio.create_task(alone())
        await asyncio.gather(*(block(name) for name in "abcde"), lonely)

    async def alone():
        await asyncio.sleep(0.01)
        await orders.asend(body="alone")

    asyncio.run(main())

    assert requests() == (1, 5)
    assert len(bodies("orders")) == 51


def test_the_end_of_a_block_does_not_hold_up_the_event_loop(fragile, proxy):
    orders = fragile.register("orders")
    orders.send(body="made")
    turns = []

    async def ticking():
        while True:
            turns.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def main():
        ticker = asyncio.create_task(ticking())
        proxy.set("stalled", late=0.5)
        async with fragile.batch():
            await orders.asend(body="x")
        ticker.cancel()

    asyncio.run(main())

    assert max(b - a for a, b in itertools.pairwise(turns)) < 0.3


def test_a_task_that_outlives_the_block_sends_at_once(receivers, orders, bodies):
    async def late():
        await asyncio.sleep(0.1)
        await orders.asend(body="late")
        return await asyncio.to_thread(orders.send_many, ["many"])

    async def main():
        async with receivers.batch():
            task = asyncio.create_task(late())
        return await task

    assert asyncio.run(main()) == 1
    assert sorted(bodies("orders")) == ["late", "many"]


def test_a_follower_that_fails_harms_nobody(receivers, orders, bodies, caplog):
    def follower(ends):
        raise OSError("no")

    with receivers.batch() as batch:
        batch.add(*orders.prepare(body="x").parts, follower=follower)

    assert bodies("orders") == ["x"]
    assert "failed" in caplog.text


def test_in_tests_it_is_captured_at_the_end(receivers, orders):
    mail = receivers.register("mail")
    with captured(receivers) as sent, receivers.batch():
        orders.send(body="a")
        mail.send(body="b")
        orders.send_many(["c"])
        assert len(sent) == 0

    assert [message.body for message in sent] == ["a", "b", "c"]
