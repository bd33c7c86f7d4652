"""A delivery whose every way out can fail, and an attribute that cannot be read."""

import time

from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.transport.settling.backoff import Backoff
from django_sqs_kombu.transport.sqs.facts import QueueFacts, RedrivePolicy


class Broken:
    """An attribute that cannot be read."""

    def __get__(self, instance, owner):
        raise ZeroDivisionError("odd")


class FakeRequests:
    def __init__(self, delivery, redrive):
        self.delivery = delivery
        self.redrive = RedrivePolicy("arn:dead", 3) if redrive else None

    def facts(self, queue):
        self.delivery.fail("facts")
        return QueueFacts(30, self.redrive, known=True)

    def redrives(self, queue):
        return self.facts(queue).redrive is not None

    def send_batch(self, queue, entries):
        self.delivery.fail("SendMessage")
        self.delivery.sent += entries
        return [None] * len(entries)


class FakeChannel:
    def __init__(self, delivery, redrive):
        self.requests = FakeRequests(delivery, redrive)
        self.backoff = Backoff()
        self.payloads = self

    def offload(self, params):
        return params


class FakeDelivery:
    """Notes what is done with it.

    :param failing: by the name of a method what it raises; the message is then as before.
    :param times: how often it raises that.
    """

    is_foreign = False
    content_type = "text/plain"
    text = payload = sqs_body = "the body"
    message_id = "id-1"
    errors = ()
    expired = False

    def __init__(
        self,
        failing=(),
        *,
        times=1_000,
        receive_count=1,
        age=0,
        attributes=None,
        queue="orders",
        redrive=False,
    ):
        self.failing = {name: [error] * times for name, error in dict(failing).items()}
        self.receive_count = receive_count
        self.queue = queue
        self.is_fifo = queue.endswith(".fifo")
        self.acknowledged = False
        self.done = []
        self.sent = []
        self.channel = FakeChannel(self, redrive)
        self.sqs_message = {
            "MessageId": self.message_id,
            "Attributes": {
                "ApproximateReceiveCount": str(receive_count),
                "SentTimestamp": str(int((time.time() - age) * 1000)),
            },
            "MessageAttributes": attributes or {},
        }

    def fail(self, name):
        if self.failing.get(name):
            raise self.failing[name].pop()

    def _settle(self, name, *args):
        assert not self.acknowledged, "settled twice"
        self.fail(name)
        self.done.append((name, *args))
        self.acknowledged = True

    def ack(self):
        self._settle("ack")

    def reject(self):
        self._settle("reject")

    def requeue(self, delay=None):
        self._settle("requeue", delay)

    def release(self, *, at_end=False):
        self._settle("release")

    def abandon(self):
        self._settle("abandon")

    def delete_now(self):
        self._settle("delete_now")


def refused(code="AccessDenied"):
    return RequestFailed("SQS said no", operation="DeleteMessage", queue="orders", code=code)
