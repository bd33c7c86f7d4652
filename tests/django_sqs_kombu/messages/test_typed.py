"""model=: pydantic models and dataclasses as messages."""

import dataclasses
import datetime
import json
import traceback

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    MessageDecodeError,
    MessageEncodeError,
    RawMessage,
    ReceiverConsumer,
    WrongMessageClass,
)
from django_sqs_kombu.messages import typed
from django_sqs_kombu.testing.eager import receive_at_once

pydantic = pytest.importorskip("pydantic")


class Order(pydantic.BaseModel):
    number: int = pydantic.Field(alias="orderNumber")
    due: datetime.date | None = None


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


@pytest.mark.parametrize("wire_format", ["kombu", "raw"])
@pytest.mark.parametrize(
    ("model", "value"),
    [(Order, Order(orderNumber=7, due="2026-01-02")), (Point, Point(1, 2.5))],
)
def test_what_is_sent_is_received(receivers, wire_format, model, value):
    seen = []
    send = receivers.receiver("typed", model=model, wire_format=wire_format)(
        lambda message: seen.append(message.get_body())
    )
    send(value)
    send(body=value)
    receivers.send_many("typed", [value])
    ReceiverConsumer(receivers, message_limit=3).run()

    assert seen == [value] * 3
    assert {type(each) for each in seen} == {model}


def test_raw_is_plain_json_as_other_programs_write_it(receivers, sqs):
    seen = []
    queue = receivers.register(
        "typed", lambda message: seen.append(message.get_body()), model=Order, wire_format="raw"
    )
    receivers.send("typed", Order(orderNumber=1))
    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert json.loads(message["Body"]) == {"orderNumber": 1, "due": None}
    sqs.send_message(QueueUrl=url, MessageBody='{"orderNumber": "2"}')
    ReceiverConsumer(receivers, message_limit=2).run()

    assert sorted(order.number for order in seen) == [1, 2]


@pytest.mark.parametrize(
    "body", ['{"orderNumber": "many"}', "{}", "[]", "no JSON", '{"orderNumber": 1', "\ufeff"]
)
def test_what_is_not_valid_is_settled_as_undecodable(receivers, sqs, counts, caplog, body):
    queue = receivers.register("typed", print, model=Order)
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body)
    ReceiverConsumer(receivers, message_limit=1).run()

    assert "Not a valid Order" in caplog.text
    assert counts(queue.full_name()) == (0, 0, 0)


def test_another_type_is_an_error_at_the_sender(receivers, server):
    queue = receivers.register("typed", model=Order)

    with pytest.raises(MessageEncodeError, match=r"carries Order .*not dict"):
        receivers.send("typed", body={"orderNumber": 1})
    with pytest.raises(WrongMessageClass):
        receivers.send("typed", Point(1))
    with pytest.raises(WrongMessageClass):
        receivers.send("typed", RawMessage(body="x"))
    assert server.count("SendMessage", queue.full_name()) == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"model": Order, "message_class": RawMessage}, "not both"),
        ({"model": Order(orderNumber=1)}, "must be a class"),
        ({"model": type("Other", (), {})}, "is neither"),
    ],
)
def test_a_model_that_cannot_work_is_refused_at_once(receivers, options, reason):
    with pytest.raises(ConfigurationError, match=reason):
        receivers.register("typed", **options)


def test_a_receivers_value_is_its_own(receivers):
    """Even without SQS the message is written and read."""
    seen = []
    receivers.register("typed", lambda message: seen.append(message.get_body()), model=Point)
    receivers.outlet = receive_at_once
    point = Point(1)
    receivers.send("typed", point)

    assert seen == [point]
    assert seen[0] is not point


class Strict(pydantic.BaseModel, extra="forbid"):
    number: int = 0


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({f"wrong{n}": n for n in range(60_000)}),
        json.dumps({"a\nERROR forged": 1, "number": "x" * 500_000}),
        '{"a\\ud800": 1}',
        "\ud800",
    ],
    ids=["many wrong keys", "a forged line", "a surrogate", "a surrogate as it is"],
)
def test_what_is_wrong_is_told_on_one_line_and_briefly(body):
    with pytest.raises(MessageDecodeError, match="Not a valid Strict") as raised:
        typed(Strict)().decode(body)

    text = "".join(traceback.format_exception(raised.value))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 5_000
    assert "\nERROR forged" not in text
    assert len(text) < 10_000


def test_how_many_errors_more_there_are_is_told():
    body = json.dumps({f"wrong{n}": n for n in range(15)})

    with pytest.raises(MessageDecodeError, match=r"wrong0: Extra inputs .* and 5 more errors"):
        typed(Strict)().decode(body)
