"""A visibility that a consumer sets is the one that counts."""

import threading
import time

import kombu
import pytest

from django_sqs_kombu.transport.sqs.requests import Requests

#: Waits for a lease to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow


def test_a_renewal_that_is_under_way_does_not_undo_it(
    receivers, sqs, counts, eventually, monkeypatch
):
    """It came to SQS after the change: the message was visible long before it was said to be."""
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "4"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    begin, begun, goes_on = Requests.begin_change_visibility_batch, [], threading.Event()

    def begin_late(*args):
        begun.append(args)
        thread = threading.Thread(target=lambda: goes_on.wait(5) and begin(*args), daemon=True)
        thread.start()

    monkeypatch.setattr(Requests, "begin_change_visibility_batch", begin_late)
    with receivers.new_connection() as connection:
        message = kombu.Queue(name, channel=connection.default_channel).get()
        eventually(lambda: begun)
        threading.Timer(0.5, goes_on.set).start()

        message.change_visibility(60)

        # The renewal's own four seconds, and some.
        time.sleep(6)
        assert counts(name) == (0, 1, 0)


def test_a_message_is_tried_again_no_sooner_than_was_said(receivers, monkeypatch):
    """Half a second was none: what failed was received again at once, over and over."""
    queue = receivers.register("orders", lambda message: None)
    queue.send(body="x")
    begin, asked = Requests.begin_change_visibility_batch, []

    def begin_noted(requests, name, messages, seconds, done):
        asked.append(seconds)
        return begin(requests, name, messages, seconds, done)

    monkeypatch.setattr(Requests, "begin_change_visibility_batch", begin_noted)
    with receivers.new_connection() as connection:
        channel = connection.default_channel
        message = kombu.Queue(queue.full_name(), channel=channel).get()

        message.requeue(0.5)

        assert channel.flush(5)
        # SQS counts whole seconds.
        assert asked == [[1]]
