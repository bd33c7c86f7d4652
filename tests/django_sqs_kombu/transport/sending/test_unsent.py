"""What is kept and sent later is checked as what is sent now, without SQS or S3."""

import pytest

from django_sqs_kombu import MessageEncodeError
from django_sqs_kombu.exceptions import EnvironmentFailure, MessageTooLarge, PayloadNotWritten
from django_sqs_kombu.quotas import MAX_MESSAGE_BYTES, size_of
from django_sqs_kombu.registration import Outgoing
from django_sqs_kombu.transport.sending.unsent import check_unsent


def check(body, options=None, wire_format="kombu", **kwargs):
    outgoing = Outgoing(body, "text/plain", **kwargs)
    check_unsent(
        "a-queue",
        outgoing.body,
        outgoing.content_type,
        outgoing.properties(),
        wire_format=wire_format,
        options=options or {},
    )


def largest(receivers, **kwargs):
    """The longest body that the transport itself sends."""
    registered = receivers.register("plain")
    queue = registered.get_queue()
    channel = receivers.channel()
    channel.declare_lazily(queue)
    properties = Outgoing("", "text/plain", **kwargs).properties()
    around = size_of(channel.entry(queue.name, "", "text/plain", properties))
    # The name of the queue is in the envelope.
    return MAX_MESSAGE_BYTES - around + len(queue.name) - len("a-queue")


def test_the_size_is_counted_as_in_sending(receivers):
    most = largest(receivers, attributes={"mine": "x"})

    check("x" * most, attributes={"mine": "x"})
    with pytest.raises(MessageTooLarge):
        check("x" * (most + 1), attributes={"mine": "x"})


def test_what_goes_to_s3_may_be_larger_but_not_endless():
    options = {"large_payload_bucket": "a-bucket", "large_payload_max_bytes": 2**21}

    check("x" * 2**20, options)
    with pytest.raises(MessageEncodeError, match="large_payload_max_bytes"):
        check("x" * 2**21, options)
    with pytest.raises(MessageEncodeError, match="kept in S3 needs one"):
        check("x" * 2**20, options, attributes={f"a{n}": "x" for n in range(10)})


@pytest.mark.parametrize("body", ["", "\x00", '{"body": "x", "properties": {}}'])
def test_a_raw_body_is_what_sqs_takes(body):
    check(body)
    with pytest.raises(MessageEncodeError):
        check(body, wire_format="raw")


def test_a_payload_that_s3_did_not_take_is_no_fault_of_its_message():
    assert issubclass(PayloadNotWritten, EnvironmentFailure)
    assert issubclass(PayloadNotWritten, MessageEncodeError)
