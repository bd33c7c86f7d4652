"""Messages that are fetched one by one, as SimpleQueue and basic_get do."""

import time

import pytest

from django_sqs_kombu.transport.delivery import Delivery
from django_sqs_kombu.transport.sqs.requests import Requests


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


def test_the_message_of_a_late_answer_is_renewed_before_another_gets_it(
    fragile, proxy, sqs, receivers, counts
):
    """SQS counts the visibility timeout from when it took the message, not from the answer."""
    name = f"{receivers.prefix}__short"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "8"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    with fragile.new_connection() as connection:
        # What is not timed: the queue's URL and facts.
        connection.default_channel.basic_get(name).requeue(0)
        connection.default_channel.flush(5)
        proxy.set("stalled", "ReceiveMessage", count=1, late=5.5)
        message = connection.default_channel.basic_get(name)

        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            assert counts(name) == (0, 1, 0)
            time.sleep(0.1)
        message.ack()


def test_of_more_messages_than_were_asked_for_the_others_are_given_back(
    queue, receivers, sqs, counts, eventually, monkeypatch
):
    """They were held, and renewed, for nobody, as long as the channel lived."""
    asking = Requests._receiving
    monkeypatch.setattr(Requests, "_receiving", lambda self, count, *args: asking(self, 10, *args))
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    for _ in range(2):
        sqs.send_message(QueueUrl=url, MessageBody="x")
    eventually(lambda: counts(queue) == (3, 0, 0))
    with receivers.new_connection() as connection:
        message = connection.default_channel.basic_get(queue)

        eventually(lambda: counts(queue) == (2, 1, 0))
        message.ack()
        eventually(lambda: counts(queue) == (2, 0, 0))


def test_what_there_is_no_memory_for_is_given_back(queue, receivers, counts, monkeypatch):
    """It was held, and renewed, for nobody."""

    def no_memory(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(Delivery, "__init__", no_memory)
    with receivers.new_connection() as connection:
        with pytest.raises(MemoryError):
            connection.default_channel.basic_get(queue)
        connection.default_channel.flush(5)

        assert counts(queue) == (1, 0, 0)


def test_nothing_is_got_on_a_channel_that_was_closed(queue, receivers, counts):
    """It could not be settled, and was kept hidden as long as the channel lived."""
    with receivers.new_connection() as connection:
        channel = connection.channel()
        channel.close()

        with pytest.raises(connection.connection_errors, match="closed"):
            channel.basic_get(queue)

        assert counts(queue) == (1, 0, 0)


def test_what_comes_while_the_channel_is_closed_is_given_back(
    queue, receivers, counts, eventually, monkeypatch
):
    with receivers.new_connection() as connection:
        channel = connection.channel()
        receive = Requests.receive

        def receive_and_close(*args):
            received = receive(*args)
            channel.close()
            return received

        monkeypatch.setattr(Requests, "receive", receive_and_close)
        with pytest.raises(connection.connection_errors, match="closed"):
            channel.basic_get(queue)

        eventually(lambda: counts(queue) == (1, 0, 0))
