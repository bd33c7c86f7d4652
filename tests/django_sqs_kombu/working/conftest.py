"""Fixtures: a consumer of asynchronous receivers."""

import threading

import pytest

from django_sqs_kombu import ReceiverConsumer


@pytest.fixture
def consume(receivers):
    """Run coroutines until *count* messages of each queue were received."""

    def consume(count, *, coroutines=20, **options):
        consumer = ReceiverConsumer(
            receivers, coroutines=coroutines, message_limit=count, **options
        )
        guard = threading.Timer(20, consumer.stop)
        guard.start()
        consumer.run()
        assert guard.is_alive(), "the messages did not come"
        guard.cancel()

    return consume
