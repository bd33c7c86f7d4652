"""What SQS would refuse is found when a message is made, and named by its argument."""

import math
from datetime import timedelta

import pytest

from django_sqs_kombu import MessageEncodeError, MessageTooLarge
from django_sqs_kombu.transport.sending.checks import (
    check_attributes,
    check_identifier,
    check_size,
    check_text,
    seconds_of,
)
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail


def text(value):
    return {"DataType": "String", "StringValue": value}


@pytest.mark.parametrize(
    "delay", ["5", True, math.inf, -math.inf, math.nan, -1, 1_209_601, [5], timedelta(seconds=-1)]
)
def test_a_delay_is_a_finite_time_within_what_sqs_keeps(delay):
    with pytest.raises(MessageEncodeError, match="delay"):
        seconds_of(delay)


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [(None, None), (0, 0.0), (2.5, 2.5), (timedelta(minutes=20), 1200.0), (1_209_600, 1_209_600.0)],
)
def test_a_delay_is_a_number_or_a_timedelta(delay, seconds):
    assert seconds_of(delay) == seconds


@pytest.mark.parametrize("value", [5, b"a", "", "two words", "é", "x" * 129, "a\n", ["a"]])
def test_a_group_is_named_by_text_as_sqs_takes_it(value):
    with pytest.raises(MessageEncodeError, match="group_id"):
        check_identifier(value, "group_id")


@pytest.mark.parametrize("value", [None, "a", "x" * 128, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"])
def test_a_group_that_sqs_takes(value):
    check_identifier(value, "group_id")


@pytest.mark.parametrize(
    "name", ["", "a b", ".a", "a.", "a..b", "AWS.a", "amazon.b", "é", "x" * 257, "a\n", 5]
)
def test_names_of_attributes_are_sqss(name):
    with pytest.raises(MessageEncodeError, match="attributes"):
        check_attributes({name: text("x")})


@pytest.mark.parametrize(
    "attribute",
    [
        text(""),
        text(5),
        text(None),
        text("\x00"),
        text("\ud800"),
        "x",
        {},
        {"DataType": "Text", "StringValue": "x"},
        {"DataType": "Number", "StringValue": "five"},
        {"DataType": "Number", "StringValue": ""},
        {"DataType": "Binary", "BinaryValue": b""},
        {"DataType": "Binary", "StringValue": "x"},
    ],
)
def test_values_of_attributes_are_sqss(attribute):
    with pytest.raises(MessageEncodeError, match="mine"):
        check_attributes({"mine": attribute})


def test_attributes_that_sqs_takes():
    check_attributes(
        {
            "a": text("é\n"),
            "a.b-c_d": {"DataType": "String.json", "StringValue": "{}"},
            "number": {"DataType": "Number.int", "StringValue": "-1.5e3"},
            "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00"},
        }
    )


def test_eleven_attributes_are_too_many():
    with pytest.raises(MessageEncodeError, match="11 are too many"):
        check_attributes({str(number): text("x") for number in range(11)})


@pytest.mark.parametrize("value", ["\ud800", "a\udcffb", b"x", 5])
def test_half_a_character_is_no_text(value):
    with pytest.raises(MessageEncodeError, match="The body"):
        check_text(value, "The body")


def test_a_message_that_will_be_sent_on_has_room_for_its_trail():
    body = "x" * (1_048_576 - 100)
    check_size("q", {"MessageBody": body})

    with pytest.raises(MessageTooLarge):
        check_size("q", {"MessageBody": body, "MessageAttributes": {TRAIL: Trail("a").attribute()}})
