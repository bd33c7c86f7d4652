"""Kombu's consumers beneath ReceiverConsumer: others may watch them, or give their own."""

from functools import partial

import kombu
import pytest

from django_sqs_kombu import ReceiverConsumer

from .consuming import consume_until


@pytest.fixture
def queue(receivers):
    queue = receivers.register("orders", lambda message: None)
    queue.send(body="x")
    return queue


def test_who_wraps_kombus_callback_sees_each_message(receivers, queue, monkeypatch):
    """As the agent of New Relic does."""
    seen, callback = [], kombu.Consumer._receive_callback

    def watched(consumer, message):
        seen.append(message.body)
        return callback(consumer, message)

    monkeypatch.setattr(kombu.Consumer, "_receive_callback", watched)

    consume_until(receivers, 1)

    assert seen == [b"x"]


def test_a_subclass_gives_consumers_of_its_own(receivers, queue):
    seen = []

    class Watching(kombu.Consumer):
        def _receive_callback(self, message):
            seen.append(message.body)
            super()._receive_callback(message)

    class Own(ReceiverConsumer):
        def get_consumers(self, Consumer, channel):  # noqa: N803 - Kombu's name
            own = partial(Watching, *Consumer.args, **Consumer.keywords)
            return super().get_consumers(own, channel)

    consumer = Own(receivers, message_limit=1)
    consumer.run()

    assert seen == [b"x"]
