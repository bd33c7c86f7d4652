"""On Lambda, and among coroutines, what is to be dropped is deleted unrun as in a worker."""

import threading
import time

from django_sqs_kombu import ReceiverConsumer, RestartLater
from django_sqs_kombu.transport.sending.trail import Trail

from ...event_source import ARN


def test_what_expired_is_done_for_lambda(receivers, source, counts):
    seen = []
    name = receivers.register("orders", lambda m: seen.append(m.get_body())).full_name()
    receivers.send("orders", body="late", expires=0.05)
    receivers.send("orders", body="in time", expires=60)
    threading.Event().wait(0.06)

    assert source.invoke(name) == []

    assert seen == ["in time"]
    assert counts(name) == (0, 0, 0)


def test_a_letter_that_sqs_has_moved_does_not_expire_though_it_is_sent_again(
    receivers, source, sqs, prefix
):
    seen = []

    def restart_once(message):
        seen.append(message.get_body())
        if len(seen) == 1:
            raise RestartLater(0, counts=False)

    name = receivers.register("dead", restart_once).full_name()
    attribute = Trail(id="a", expires=time.time() - 5).attribute()
    sqs.send_message(
        QueueUrl=sqs.create_queue(QueueName=name)["QueueUrl"],
        MessageBody="x",
        MessageAttributes={"django_sqs.trail": attribute},
    )
    [letter] = source.receive(name)
    letter["attributes"]["DeadLetterQueueSourceArn"] = ARN.format(f"{prefix}__orders")

    assert source.give(name, [letter]) == []
    # Of this one, which it was sent again as, SQS does not say that it is a dead letter.
    assert source.invoke(name) == []

    assert seen == ["x", "x"]


def test_what_expired_starts_no_coroutine(receivers, eventually, counts):
    seen = []

    @receivers.receiver("orders")
    async def receive(message):
        seen.append(message.get_body())

    receive(body="late", expires=0.05)
    receive(body="in time", expires=60)
    threading.Event().wait(0.06)
    consumer = ReceiverConsumer(receivers, coroutines=5)
    running = threading.Thread(target=consumer.run)
    running.start()
    name = receive.registered_queue.full_name()
    eventually(lambda: counts(name) == (0, 0, 0))
    consumer.stop()
    running.join(20)

    assert not running.is_alive()
    assert seen == ["in time"]
