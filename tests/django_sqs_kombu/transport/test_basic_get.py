"""Messages that are fetched one by one, as SimpleQueue and basic_get do."""

import time

import pytest


@pytest.fixture
def queue(receivers, sqs):
    """A queue with one message: its name."""
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    return name


def test_what_was_got_without_ack_is_gone(queue, receivers, server, counts, eventually):
    with receivers.new_connection() as connection:
        message = connection.default_channel.basic_get(queue, no_ack=True)

        assert message.text == "x"
        eventually(lambda: counts(queue) == (0, 0, 0), timeout=5)
        asked = server.count("ChangeMessageVisibilityBatch", queue)
        time.sleep(3)
        assert server.count("ChangeMessageVisibilityBatch", queue) == asked


def test_what_was_got_is_kept_until_it_is_acked(queue, receivers, counts, eventually):
    with receivers.new_connection() as connection:
        message = connection.default_channel.basic_get(queue)
        time.sleep(4)

        assert counts(queue) == (0, 1, 0)
        message.ack()
        eventually(lambda: counts(queue) == (0, 0, 0), timeout=5)
