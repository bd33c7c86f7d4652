"""The message that is being received, in a context variable and in logs."""

import asyncio
import logging
from contextvars import ContextVar

import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.testing import eager
from django_sqs_kombu.working.context import MessageContextFilter, current_message

tenant = ContextVar("tenant", default=None)


@pytest.mark.parametrize("threads", [1, 3])
def test_each_receiver_sees_its_own(receivers, threads):
    seen = []

    def receive(message):
        seen.append((current_message.get().message_id, message.id))

    receivers.register("orders", receive)
    receivers.send_many("orders", map(str, range(6)))
    ReceiverConsumer(receivers, threads=threads, message_limit=6).run()

    assert len(seen) == 6
    assert all(noted == own for noted, own in seen)
    assert current_message.get() is None


@pytest.mark.parametrize("options", [{}, {"batch": 1}], ids=["single", "batch"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_receiver_sets_ends_with_its_message(receivers, options, threads):
    seen = []

    def receive(message):
        seen.append(tenant.get())
        tenant.set("one")

    receivers.register("orders", receive, **options)
    receivers.send_many("orders", map(str, range(6)))
    ReceiverConsumer(receivers, threads=threads, message_limit=6).run()

    assert seen == [None] * 6


@pytest.mark.parametrize(
    ("options", "consumer"),
    [({}, {}), ({"batch": 1}, {}), ({}, {"coroutines": 2})],
    ids=["single", "batch", "coroutine"],
)
def test_a_failure_is_told_with_the_message_that_has_failed(receivers, caplog, options, consumer):
    seen = []

    def note(record):
        if record.exc_info:
            seen.append((current_message.get().message_id, tenant.get()))
        return True

    def receive(message):
        [message] = message if options else [message]
        tenant.set("one")
        raise ValueError(message.get_body())

    async def receive_async(message):
        receive(message)

    caplog.handler.addFilter(note)
    receivers.register("orders", receive_async if consumer else receive, **options)
    sent = [receivers.send("orders", body=body) for body in "ab"]
    try:
        ReceiverConsumer(receivers, message_limit=2, **consumer).run()
    finally:
        # The handler is that of the other tests, too.
        caplog.handler.removeFilter(note)

    assert len(sent) == len({told for told, _ in seen}) == len(seen) == 2
    # A coroutine is a task, and what that sets is its own.
    assert {tenant for _, tenant in seen} == {None if consumer else "one"}


def test_what_a_receiver_sets_is_not_its_senders_in_eager_mode(receivers):
    receivers.register("orders", lambda message: tenant.set("one"))
    with eager(receivers):
        receivers.send("orders", body="x")

    assert tenant.get() is None


def test_an_asynchronous_receiver_and_its_tasks_see_it(receivers):
    seen = []

    async def note():
        seen.append(current_message.get())

    async def receive(message):
        await asyncio.create_task(note())

    queue = receivers.register("orders", receive)
    receivers.send("orders", body="x")
    ReceiverConsumer(receivers, message_limit=1).run()

    assert seen[0].as_dict() == {
        "queue": queue.full_name(),
        "message_id": seen[0].message_id,
        "receive_count": 1,
    }


def test_logs_name_it(receivers, caplog):
    caplog.handler.addFilter(MessageContextFilter())
    logger = logging.getLogger("project")
    caplog.set_level(logging.INFO, "project")
    queue = receivers.register("orders", lambda message: logger.info("inside"))
    receivers.send("orders", body="x")
    ReceiverConsumer(receivers, message_limit=1).run()
    logger.info("outside")

    inside, outside = (r for r in caplog.records if r.name == "project")
    assert (inside.sqs_queue, inside.sqs_receive_count) == (queue.full_name(), 1)
    assert (outside.sqs_queue, outside.sqs_message_id) == ("-", "-")
