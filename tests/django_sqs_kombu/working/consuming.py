"""Consuming until the messages that are expected have come."""

import threading

from django_sqs_kombu import ReceiverConsumer


def consume_until(receivers, count, **options):
    """Consume until *count* messages of each queue were received."""
    consumer = ReceiverConsumer(receivers, message_limit=count, **options)
    guard = threading.Timer(20, consumer.stop)
    guard.start()
    consumer.run()
    assert guard.is_alive(), "the messages did not come"
    guard.cancel()
