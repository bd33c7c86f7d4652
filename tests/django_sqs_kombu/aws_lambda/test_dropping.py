"""On Lambda, and among coroutines, what is to be dropped is deleted unrun as in a worker."""

import threading

from django_sqs_kombu import ReceiverConsumer


def test_what_expired_is_done_for_lambda(receivers, source, counts):
    seen = []
    name = receivers.register("orders", lambda m: seen.append(m.get_body())).full_name()
    receivers.send("orders", body="late", expires=0.05)
    receivers.send("orders", body="in time", expires=60)
    threading.Event().wait(0.06)

    assert source.invoke(name) == []

    assert seen == ["in time"]
    assert counts(name) == (0, 0, 0)


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
