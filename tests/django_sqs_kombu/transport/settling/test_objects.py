"""Objects: payloads in S3 are deleted after their messages, and somebody waits for that."""

import threading
import time

import pytest

from django_sqs_kombu.transport.holding.held import Held
from django_sqs_kombu.transport.settling import objects
from django_sqs_kombu.transport.settling.objects import ObjectDeletions


class Payloads:
    """Each message has one; S3 deletes it when told to."""

    def __init__(self):
        self.deleted = []
        self.goes_on = threading.Event()
        self.goes_on.set()

    def pointer(self, message):
        return "s3://bucket/key"

    def delete(self, message):
        self.goes_on.wait(5)
        self.deleted.append(message["MessageId"])


@pytest.fixture
def payloads():
    payloads = Payloads()
    yield payloads
    payloads.goes_on.set()


@pytest.fixture
def deletions(payloads):
    deletions = ObjectDeletions(payloads)
    yield deletions
    deletions.close(0)


def read(message_id):
    """A message whose body was read from S3."""
    message = {"ReceiptHandle": message_id, "MessageId": message_id, "Body": "pointer"}
    held = Held("q", message, 60, time.monotonic())
    held.body = "payload"
    return held


def test_a_second_end_waits_for_what_is_left_alone(deletions, payloads, caplog):
    """On Lambda each event has one: from the second on they took all the time that there was."""
    for number in range(3):
        deletions.delete(read(f"m{number}"))
        began = time.monotonic()

        deletions.close(30)

        assert time.monotonic() - began < 15
    assert payloads.deleted == ["m0", "m1", "m2"]
    assert not caplog.records


def test_what_is_not_deleted_in_time_is_told(deletions, payloads, caplog):
    payloads.goes_on.clear()
    deletions.delete(read("m1"))

    deletions.close(0.1)

    assert "1 payload(s) in S3 of messages that are done were not deleted" in caplog.text


def test_without_a_thread_at_first_they_are_deleted_at_the_end(deletions, payloads, monkeypatch):
    """They stayed in S3, without a word."""

    def no_thread(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(objects, "start_thread", no_thread)
        deletions.delete(read("m1"))

    deletions.close(15)

    assert payloads.deleted == ["m1"]
