"""A Kombu message as SQS takes it; the message itself stays as it is."""

import json

import kombu
import pytest

from django_sqs_kombu import MessageEncodeError
from django_sqs_kombu.transport.sending.parameters import send_parameters


def message(body="x", **properties):
    return {
        "body": body,
        "content-type": "text/plain",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {"delivery_info": {}, **properties},
    }


def test_a_message_is_left_as_it_is():
    attributes = {"mine": {"DataType": "String", "StringValue": "x"}}
    sent = message(message_attributes=attributes, delay_seconds=5)

    first = send_parameters("q", sent, "kombu")
    second = send_parameters("q", sent, "kombu")

    assert first == second
    assert first["DelaySeconds"] == 5
    assert "delay_seconds" not in json.loads(first["MessageBody"])["properties"]
    assert sent["properties"]["delay_seconds"] == 5


def test_a_direct_exchange_delays_the_message_in_each_of_its_queues(receivers, counts, prefix):
    exchange = kombu.Exchange("both", "direct")
    channel = receivers.channel()
    names = [f"{prefix}-one", f"{prefix}-two"]
    for name in names:
        kombu.Queue(name, exchange, routing_key="key", channel=channel).declare()

    kombu.Producer(channel, exchange).publish("x", routing_key="key", delay_seconds=100)

    assert [counts(name) for name in names] == [(0, 0, 1)] * 2


@pytest.mark.parametrize(
    "properties",
    [
        {"MessageGroupId": 5},
        {"MessageGroupId": "two words"},
        {"message_attributes": {"mine": "x"}},
        {"message_attributes": [1]},
    ],
)
def test_properties_that_sqs_would_refuse_are_an_error_before_any_request(properties):
    with pytest.raises(MessageEncodeError):
        send_parameters("q", message(**properties), "kombu")


def test_an_odd_deduplication_id_is_an_error_too():
    with pytest.raises(MessageEncodeError, match="MessageDeduplicationId"):
        send_parameters("q.fifo", message(MessageDeduplicationId="x" * 129), "kombu")


@pytest.mark.parametrize(
    ("delay", "sent"),
    [(5, 5), ("5", 5), (1e6, 900), (-3, None), ("soon", None), (float("inf"), None)],
)
def test_a_delay_among_the_properties_is_read_as_leniently_as_by_kombu(delay, sent):
    assert send_parameters("q", message(delay_seconds=delay), "kombu").get("DelaySeconds") == sent


def test_text_travels_in_utf_8_not_in_escapes():
    body = "汉" * 200_000

    text = send_parameters("q", message(body), "kombu")["MessageBody"]

    assert 600_000 <= len(text.encode()) < 601_000
    assert json.loads(text)["body"] == body


def test_what_sqs_takes_in_no_body_is_escaped():
    text = send_parameters("q", message("a\ufffeb\uffffc\x00\x1b"), "kombu")["MessageBody"]

    assert json.loads(text)["body"] == "a\ufffeb\uffffc\x00\x1b"
    assert "\\ufffe" in text
    assert "\\u001b" in text


def test_half_a_character_is_refused():
    with pytest.raises(MessageEncodeError, match="lone surrogate"):
        send_parameters("q", message("a\ud83d"), "kombu")


def test_kombus_own_transport_reads_what_we_write(receivers, prefix, connect):
    name = f"{prefix}-both"
    kombu.Producer(receivers.channel()).publish("größer 汉 🙂 \x01", routing_key=name)

    with connect("kombu's") as stock:
        message = kombu.Queue(name)(stock.default_channel).get()

    assert message.payload == "größer 汉 🙂 \x01"
