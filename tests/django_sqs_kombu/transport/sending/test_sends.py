"""Requests are counted exactly: sends that share one, settlements that are collected."""

import itertools
import threading
import time

import kombu
import pytest

from django_sqs_kombu import (
    EndpointUnreachable,
    JSONMessage,
    MessageTooLarge,
    RequestFailed,
    SendManyFailed,
    TimedOut,
)
from django_sqs_kombu.transport.sending import lines
from django_sqs_kombu.working.deadline import deadline


@pytest.fixture
def orders(receivers, sqs):
    queue = receivers.register("orders", print)
    sqs.create_queue(QueueName=queue.full_name())
    return queue


@pytest.fixture
def held(receivers, orders):
    """Receive *count* messages of the queue, unsettled."""
    connections = []

    def held(count):
        receivers.send_many("orders", map(str, range(count)))
        connection = receivers.new_connection()
        connections.append(connection)
        channel = connection.default_channel
        deliveries = []
        with kombu.Consumer(
            channel, [orders.get_queue()], on_message=deliveries.append, prefetch_count=100
        ):
            while len(deliveries) < count:
                connection.drain_events(timeout=5)
        return channel, deliveries

    yield held
    for connection in connections:
        connection.close()


@pytest.fixture
def one_at_a_time(monkeypatch):
    """A queue has one request under way; what comes meanwhile goes with the next."""
    monkeypatch.setattr(lines, "MOST_TURNS", 1)


def sends(server, queue):
    name = queue.full_name()
    return server.count("SendMessage", name), server.count("SendMessageBatch", name)


def test_a_lone_send_is_one_request_and_waits_for_nothing(receivers, orders, server):
    receivers.send("orders", body="warm up")
    started = time.monotonic()

    receivers.send("orders", body="x")

    assert time.monotonic() - started < 1
    assert sends(server, orders) == (2, 0)


def test_sends_at_the_same_time_share_requests(receivers, orders, server, counts):
    receivers.send("orders", body="warm up")
    barrier = threading.Barrier(20)

    def send(number):
        barrier.wait(10)
        receivers.send("orders", body=str(number))

    threads = [threading.Thread(target=send, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    single, batches = sends(server, orders)
    assert counts(orders.full_name()) == (21, 0, 0)
    assert single + batches <= 8


def test_each_sender_learns_its_own_failure(receivers, orders, server, counts, one_at_a_time):
    channel = receivers.channel()
    requests = channel.requests
    name = orders.full_name()
    go_on, sending = threading.Event(), threading.Event()
    send_batch, outcomes = requests.send_batch, {}

    def slow(queue, batch):
        sending.set()
        go_on.wait(10)
        return send_batch(queue, batch)

    requests.send_batch = slow

    def send(number):
        try:
            receivers.send("orders", body=str(number))
        except RequestFailed as exc:
            outcomes[number] = exc.code
        else:
            outcomes[number] = "accepted"

    first = threading.Thread(target=send, args=["first"])
    first.start()
    sending.wait(10)
    others = [threading.Thread(target=send, args=[number]) for number in range(4)]
    for thread in others:
        thread.start()
        time.sleep(0.1)
    server.failed_entries["SendMessageBatch", name] = [[(1, "InvalidMessageContents", True)]]
    go_on.set()
    for thread in [first, *others]:
        thread.join(20)

    assert outcomes.pop("first") == "accepted"
    assert sorted(outcomes.values()) == ["InvalidMessageContents", *["accepted"] * 3]
    assert counts(name) == (4, 0, 0)


def test_a_batch_that_fails_as_a_whole_fails_each_sender(receivers, orders, server):
    server.faults["SendMessage", orders.full_name()] = (403, "AccessDenied")
    server.faults["SendMessageBatch", orders.full_name()] = (403, "AccessDenied")
    caught = []

    def send():
        try:
            receivers.send("orders", body="x")
        except RequestFailed as exc:
            caught.append(exc)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    del server.faults["SendMessage", orders.full_name()]
    del server.faults["SendMessageBatch", orders.full_name()]
    assert len({id(exc) for exc in caught}) == 6
    receivers.send("orders", body="the line is free again")


def test_a_sender_that_is_interrupted_holds_no_other_up(receivers, orders, counts):
    receivers.send("orders", body="warm up")
    batcher = receivers.channel().sends
    go_on, sending = threading.Event(), threading.Event()
    send_batch = batcher._requests.send_batch

    def slow(queue, batch):
        sending.set()
        go_on.wait(10)
        return send_batch(queue, batch)

    batcher._requests.send_batch = slow
    outcomes = []

    def send(number):
        try:
            with deadline(0.3 if number == 1 else None):
                receivers.send("orders", body=str(number))
        except TimedOut:
            outcomes.append("timed out")
        else:
            outcomes.append("sent")

    threads = [threading.Thread(target=send, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
        sending.wait(10)
        time.sleep(0.1)
    time.sleep(0.5)
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert not any(thread.is_alive() for thread in threads)
    assert len(outcomes) == 3
    receivers.send("orders", body="the line is free")
    assert counts(orders.full_name())[0] >= 4


def test_send_many_fills_requests(receivers, orders, server, counts):
    seen = []

    sent = receivers.send_many("orders", map(str, range(45)), progress=seen.append)

    assert sent == 45
    assert sends(server, orders) == (0, 5)
    assert counts(orders.full_name()) == (45, 0, 0)
    assert seen[-1] == 45
    assert seen == sorted(seen)


def test_send_many_takes_messages_and_values(receivers):
    seen = []
    receivers.register("mappings", lambda m: seen.append(m.get_body()), message_class=JSONMessage)

    receivers.send_many("mappings", [JSONMessage(body={"a": 1}), {"a": 2}])

    queue = receivers.get("mappings")
    for _ in range(2):
        queue.receive_single()
    assert sorted(body["a"] for body in seen) == [1, 2]


def test_send_many_splits_batches_by_bytes(receivers, orders, server):
    receivers.send_many("orders", ["x" * 400_000] * 5)

    assert sends(server, orders) == (1, 2)


def test_send_many_reads_its_items_as_it_sends_them(receivers, orders):
    read = []
    sent = []

    def items():
        for number in range(200):
            read.append(number)
            yield str(number)

    receivers.send_many(
        "orders", items(), parallel=2, progress=lambda count: sent.append(len(read) - count)
    )

    assert max(sent) <= 40


def test_send_many_lists_what_failed_and_sends_the_rest_once(receivers, orders, server, counts):
    name = orders.full_name()
    server.failed_entries["SendMessageBatch", name] = [
        [(0, "InvalidMessageContents", True), (3, "InternalError", False)],
        [],
    ]

    with pytest.raises(SendManyFailed) as caught:
        receivers.send_many("orders", [*map(str, range(9)), "y" * 1_100_000, "last"])

    failures = caught.value.failures
    assert [(f.number, f.item[:3]) for f in failures] == [(0, "0"), (9, "yyy")]
    assert failures[0].error.code == "InvalidMessageContents"
    assert isinstance(failures[1].error, MessageTooLarge)
    assert caught.value.sent == 9
    assert caught.value.untried_from is None
    assert "item 0" in str(caught.value)
    # Message 3, SQS's own fault, was sent again, and it alone.
    assert counts(name) == (9, 0, 0)


def test_send_many_stops_where_a_whole_request_fails(receivers, orders, server):
    server.faults["SendMessageBatch", orders.full_name()] = (403, "AccessDenied")

    with pytest.raises(SendManyFailed, match="Access denied") as caught:
        receivers.send_many("orders", map(str, itertools.count()), parallel=2)

    del server.faults["SendMessageBatch", orders.full_name()]
    assert caught.value.sent == 0
    assert caught.value.untried_from == len(caught.value.failures) <= 40


def test_send_many_keeps_a_fifo_queues_order(receivers, sqs):
    queue = receivers.register("orders.fifo")

    receivers.send_many("orders.fifo", map(str, range(25)), group_id=lambda item: "g")

    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [f'"body":"{number}"' in body for number, body in enumerate(bodies)] == [True] * 25


def test_acknowledgements_share_requests(held, orders, server, counts):
    channel, deliveries = held(25)

    threads = [threading.Thread(target=delivery.ack) for delivery in deliveries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    channel.flush(10)

    assert server.count("DeleteMessageBatch", orders.full_name()) <= 4
    assert server.count("DeleteMessage", orders.full_name()) == 0
    assert counts(orders.full_name()) == (0, 0, 0)


def test_an_acknowledgement_goes_after_the_linger(held, orders, counts, eventually):
    _, [delivery] = held(1)

    delivery.ack()

    eventually(lambda: counts(orders.full_name()) == (0, 0, 0), timeout=2)


def test_closing_sends_what_lingers(held, orders, counts):
    channel, deliveries = held(3)
    for delivery in deliveries:
        delivery.ack()

    channel.connection.client.close()

    assert counts(orders.full_name()) == (0, 0, 0)


def test_requeues_share_requests(held, orders, server, counts):
    channel, deliveries = held(10)
    # Else they would come again at once.
    channel.stop_polling()
    time.sleep(2.5)

    for delivery in deliveries:
        delivery.requeue(delay=0)
    channel.flush(10)

    # Two where the machine is so slow that the linger ends between them.
    assert server.count("ChangeMessageVisibilityBatch", orders.full_name()) <= 2
    assert counts(orders.full_name()) == (10, 0, 0)


def test_entries_that_sqs_fails_are_tried_again(held, orders, server, counts, eventually):
    _, deliveries = held(3)
    name = orders.full_name()
    server.failed_entries["DeleteMessageBatch", name] = [[(1, "InternalError", False)]]

    for delivery in deliveries:
        delivery.ack()

    eventually(lambda: counts(name) == (0, 0, 0), timeout=5)
    assert server.count("DeleteMessageBatch", name) == 2


def test_a_lost_lease_among_others_is_logged_by_message_id(held, orders, server, counts, caplog):
    channel, deliveries = held(3)
    name = orders.full_name()
    server.failed_entries["DeleteMessageBatch", name] = [[(1, "ReceiptHandleIsInvalid", True)]]

    for delivery in deliveries:
        delivery.ack()
    channel.flush(10)

    assert f"Message {deliveries[1].message_id} of queue" in caplog.text
    assert deliveries[0].message_id not in caplog.text
    assert counts(name) == (0, 1, 0)


def test_an_unreachable_server_is_tried_again(held, orders, counts, eventually, monkeypatch):
    channel, [delivery] = held(1)
    calls = []
    delete = channel.requests.begin_delete_batch

    def fail_once(queue, messages, done):
        calls.append(queue)
        if len(calls) == 1:
            done(EndpointUnreachable("gone", operation="X", queue=queue, code="Y"))
        else:
            delete(queue, messages, done)

    monkeypatch.setattr(channel.keeper, "begin_delete", fail_once)
    delivery.ack()

    eventually(lambda: counts(orders.full_name()) == (0, 0, 0), timeout=5)
    assert len(calls) == 2


def test_cost_of_a_full_queue(receivers, server):
    """0.1 request to send, 0.1 to receive and 0.1 to delete each message."""
    from django_sqs_kombu import ReceiverConsumer

    queue = receivers.register("cost", lambda message: None)
    receivers.send_many("cost", map(str, range(200)))

    ReceiverConsumer(receivers, message_limit=200).run()

    name = queue.full_name()
    count = {
        operation: server.count(operation, name)
        for operation in ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch")
    }
    # The first receives ask for one message each, and on a busy machine a delete may not wait
    # until it is full. `python -m benchmarks cost` watches the exact figure.
    assert sum(count.values()) / 200 <= 0.36, count
