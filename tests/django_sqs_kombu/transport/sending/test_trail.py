"""What a message carries of its way: read leniently, whoever wrote it."""

import json

import pytest

from django_sqs_kombu.transport.sending.copies import copy_of
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail


def carrying(text):
    return {TRAIL: {"DataType": "String", "StringValue": text}}


@pytest.mark.parametrize(
    "trail", [Trail(), Trail(id="a"), Trail("a", 1_900_000_000.125, 1_800_000_000.5, 3)]
)
def test_a_trail_is_read_as_it_was_written(trail):
    assert Trail.of({TRAIL: trail.attribute()}) == trail


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"due"',
        "[" * 400,
        '{"id": "' + "x" * 20_000 + '"}',
        json.dumps({"due": "soon", "id": 5, "restarts": "two", "sent": [1]}),
        json.dumps({"due": True, "id": "", "restarts": True, "sent": -1}),
        '{"due": NaN, "sent": Infinity, "restarts": 1.5}',
        '{"due": 1e999, "restarts": -1}',
        '{"due": 1' + "0" * 400 + "}",
        '{"restarts": 1' + "0" * 20 + "}",
    ],
)
def test_an_odd_trail_says_nothing(text):
    assert Trail.of(carrying(text)) == Trail()


@pytest.mark.parametrize("attributes", [None, {}, {TRAIL: None}, {TRAIL: {"BinaryValue": b"x"}}])
def test_no_trail_says_nothing(attributes):
    assert not Trail.of(attributes)


def test_what_is_right_of_an_odd_trail_counts():
    assert Trail.of(carrying('{"id": "a", "restarts": "many"}')) == Trail(id="a")


def test_a_message_was_not_sent_later_than_sqs_says():
    message = {
        "MessageId": "sqs's",
        "Attributes": {"SentTimestamp": "1800000000000"},
        "MessageAttributes": carrying('{"sent": 1900000000, "restarts": 2}'),
    }

    assert Trail.received(message) == Trail("sqs's", None, 1_800_000_000, 2)


def test_a_copy_keeps_body_attributes_group_and_trace():
    message = {
        "MessageId": "m",
        "Body": "x",
        "Attributes": {"MessageGroupId": "tenant", "AWSTraceHeader": "Root=1-5"},
        "MessageAttributes": {
            "mine": {"DataType": "String", "StringValue": "kept", "StringListValues": []},
            **carrying('{"id": "old"}'),
        },
    }

    copy = copy_of(message, Trail(id="new"))

    assert copy == {
        "MessageBody": "x",
        "MessageGroupId": "tenant",
        "MessageSystemAttributes": {
            "AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5"}
        },
        "MessageAttributes": {
            "mine": {"DataType": "String", "StringValue": "kept"},
            **carrying('{"id":"new"}'),
        },
    }
    assert copy_of(message)["MessageAttributes"][TRAIL]["StringValue"] == '{"id": "old"}'
