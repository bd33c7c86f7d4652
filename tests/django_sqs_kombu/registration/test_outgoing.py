"""Everything about a message is checked when it is made, and errors name the argument."""

from datetime import timedelta
from functools import partial

import pytest
from pydantic import BaseModel

from django_sqs_kombu import JSONMessage, Message, MessageEncodeError, SendManyFailed
from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.registration.outgoing import Outgoing
from django_sqs_kombu.testing import captured


@pytest.fixture
def make(receivers):
    queue = receivers.register("orders")
    return lambda **options: queue.outgoing(body="x", **options)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("group_id", 5),
        ("group_id", ""),
        ("group_id", "two words"),
        ("delay", "5"),
        ("delay", float("inf")),
        ("delay", -1),
        ("delay", True),
        ("attributes", {"n": 5}),
        ("attributes", {"n": ""}),
        ("attributes", {"": "x"}),
        ("attributes", {"a b": "x"}),
        ("attributes", {f"n{number}": "x" for number in range(11)}),
        ("attributes", ["n"]),
        ("attributes", {"django_sqs.trail": "x"}),
        ("attributes", {"ExtendedPayloadSize": "5"}),
        ("deduplication_id", "only for FIFO queues"),
    ],
)
def test_what_cannot_work_is_an_error_that_names_the_argument(make, argument, value):
    with pytest.raises(MessageEncodeError, match=argument):
        make(**{argument: value})


@pytest.mark.parametrize("argument", ["group_id", "deduplication_id"])
def test_ids_of_a_fifo_queue_are_checked_too(receivers, argument):
    queue = receivers.register("orders.fifo")

    with pytest.raises(MessageEncodeError, match=argument):
        queue.prepare(None, body="x", **{argument: "ż"})


def test_nothing_was_asked_of_sqs(make, receivers, server, prefix):
    with pytest.raises(MessageEncodeError):
        receivers.send("orders", body="x", group_id=5)

    assert not [queue for _, queue in server.requests if queue.startswith(prefix)]


def test_half_a_character_in_a_body_is_an_error():
    with pytest.raises(MessageEncodeError, match="The body"):
        Outgoing("a\ud800", "text/plain")


def test_a_delay_may_be_a_timedelta(make):
    assert make(delay=timedelta(minutes=2)).delay == 120.0
    assert make(delay=timedelta(minutes=2)).properties()["delay_seconds"] == 120.0


def test_more_attributes_leave_a_place_free(make):
    message = make(attributes={f"n{number}": "x" for number in range(8)})

    more = message.with_attributes({"traceparent": "a", "tracestate": "b"})

    assert len(more.attributes) == 9
    assert "tracestate" not in more.attributes


def test_one_bad_item_of_send_many_harms_none_of_its_neighbours(receivers, counts):
    queue = receivers.register("orders")

    with pytest.raises(SendManyFailed) as caught:
        receivers.send_many(
            "orders", map(str, range(10)), group_id=lambda item: 5 if item == "3" else "g"
        )

    assert [failure.number for failure in caught.value.failures] == [3]
    assert "group_id" in str(caught.value)
    assert counts(queue.full_name()) == (9, 0, 0)


class Order(BaseModel):
    """A model whose instances are iterable."""

    number: int


@pytest.mark.parametrize(
    ("options", "single"),
    [
        ({}, "hello"),
        ({}, b"hello"),
        ({}, bytearray(b"hello")),
        ({"message_class": JSONMessage}, {"n": 1}),
        ({}, Message(body="hello")),
        ({"model": Order}, Order(number=1)),
        ({}, None),
        ({}, 5),
    ],
)
def test_send_many_does_not_take_a_single_message_to_pieces(receivers, options, single):
    queue = receivers.register("orders", **options)

    with captured(receivers) as sent:
        for send_many in (queue.send_many, partial(receivers.send_many, "orders")):
            with pytest.raises(ConfigurationError, match=r"send_many\(\) takes messages"):
                send_many(single)
        with receivers.batch(), pytest.raises(ConfigurationError, match="not the single value"):
            queue.send_many(single)

    assert sent == []


def test_a_sequence_of_delays_that_ends_too_soon_is_told(receivers):
    receivers.register("orders")

    with pytest.raises(SendManyFailed, match="delay has 2 values") as caught:
        receivers.send_many("orders", ["1", "2", "3"], delay=[None, 0])

    assert caught.value.sent == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [("parallel", 0), ("parallel", -1), ("parallel", "4"), ("parallel", True), ("progress", "x")],
)
def test_send_many_with_room_for_no_request_is_refused_and_does_not_wait_for_ever(
    receivers, option, value
):
    queue = receivers.register("orders")

    with pytest.raises(ConfigurationError, match=rf"'orders': send_many\(\): {option} must be"):
        queue.send_many(["a"], **{option: value})
