"""A receiver's timeout that strikes while it deletes a message itself leaves none that is held."""

import threading
import time

import pytest

from django_sqs_kombu import ReceiverConsumer


@pytest.fixture
def consume():
    """Run a consumer for one message, here or in a thread."""

    def consume(receivers, where):
        consumer = ReceiverConsumer(receivers, message_limit=1)
        if where == "main thread":
            consumer.run()
            return
        thread = threading.Thread(target=consumer.run, daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()

    return consume


@pytest.mark.parametrize("where", ["main thread", "another"])
def test_what_it_was_deleting_is_deleted(receivers, consume, counts, where):
    told = []

    def receive(message):
        delivery = message._delivery
        poller = delivery.channel.pollers[delivery.queue]

        def slowly(messages):
            del poller.ended
            told.append(messages)
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                time.sleep(0.01)
            poller.ended(messages)

        # The table tells it that the message is decided, before that is in any list.
        poller.ended = slowly
        message.delete()

    queue = receivers.register("orders", receive, timeout=0.2)
    receivers.send("orders", body="x")

    consume(receivers, where)

    assert told == [1]
    assert counts(queue.full_name()) == (0, 0, 0)
