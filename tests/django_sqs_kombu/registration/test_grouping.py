"""Whose a message is, and how many of a key are worked on at once, over all hosts."""

import threading
import time
from collections import Counter

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    JSONMessage,
    MessageEncodeError,
    ReceiverConsumer,
    RestartLater,
)


def shop(message):
    return message.get_body()["shop"]


def received(sqs, name):
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    found = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages"):
        found += [message["Attributes"].get("MessageGroupId") for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return Counter(found)


def test_a_tenant_is_the_group_however_a_message_is_sent(receivers, sqs):
    queue = receivers.register("orders", message_class=JSONMessage, tenant=shop)
    queue.send(body={"shop": 7})
    queue.send(JSONMessage(body={"shop": "a"}))
    queue.send_many([{"shop": 7}, JSONMessage(body={"shop": None})])
    queue.send(body={"shop": 7}, group_id="own")

    assert received(sqs, queue.full_name()) == {"7": 2, "a": 1, "own": 1, None: 1}


def test_a_tenant_is_kept_when_a_message_is_sent_again(receivers, sqs):
    def receive(message):
        if message.attributes["MessageGroupId"] == "a":
            raise RestartLater(0, counts=False)

    queue = receivers.register("orders", receive, message_class=JSONMessage, tenant=shop)
    queue.send(body={"shop": "a"})
    for _ in range(3):
        with pytest.raises(RestartLater):
            queue.receive_single()

    assert received(sqs, queue.full_name()) == {"a": 1}


def test_of_a_key_at_most_so_many_are_worked_on_at_once(receivers):
    lock, now, most, done = threading.Lock(), Counter(), Counter(), []

    def receive(message):
        which = shop(message)
        with lock:
            now[which] += 1
            most[which] = max(most[which], now[which])
        time.sleep(0.1)
        with lock:
            now[which] -= 1
            done.append(which)

    queue = receivers.register(
        "orders.fifo", receive, message_class=JSONMessage, key=shop, at_most=2
    )
    queue.send_many([{"shop": which, "number": n} for n in range(12) for which in "ab"])
    # Two, as on two hosts.
    workers = [ReceiverConsumer(receivers, threads=4) for _ in range(2)]
    threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 40
    while len(done) < 24 and time.monotonic() < deadline:
        time.sleep(0.1)
    for worker, thread in zip(workers, threads, strict=True):
        worker.stop()
        thread.join(20)

    assert len(done) == 24
    assert most == {"a": 2, "b": 2}


def test_the_messages_of_a_key_are_spread(receivers):
    queue = receivers.register("orders.fifo", message_class=JSONMessage, key=shop, at_most=3)

    groups = {queue.outgoing(body={"shop": "a"}).group_id for _ in range(100)}

    assert groups == {"a-0", "a-1", "a-2"}


@pytest.mark.parametrize(
    ("name", "options"),
    [("orders", {"tenant": shop}), ("orders.fifo", {"key": shop, "at_most": 2})],
)
def test_a_group_that_sqs_refuses_is_refused_by_the_name_of_its_option(receivers, name, options):
    queue = receivers.register(name, message_class=JSONMessage, **options)

    with pytest.raises(MessageEncodeError, match=f"{next(iter(options))}=.* must be 1 to 128"):
        queue.outgoing(body={"shop": "the shop"})


async def asleep(message): ...


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("orders", {"tenant": "shop"}, "tenant must be a function"),
        ("orders", {"tenant": lambda: 1}, "tenant must be a function of the message"),
        ("orders", {"tenant": asleep}, "tenant must be .* that is not asynchronous"),
        ("orders.fifo", {"key": isinstance, "at_most": 2}, "key must be a function of the message"),
        ("orders", {"key": shop, "at_most": 2}, "key and at_most are for FIFO queues"),
        ("orders.fifo", {"key": shop}, "at_most and key belong together"),
        ("orders.fifo", {"at_most": 2}, "at_most and key belong together"),
        ("orders.fifo", {"key": shop, "at_most": 0}, "at_most must be a whole number"),
        ("orders.fifo", {"tenant": shop}, "tenant is for standard queues"),
    ],
)
def test_groups_that_cannot_work(receivers, name, options, says):
    with pytest.raises(ConfigurationError, match=says):
        receivers.register(name, **options)
