"""SQS counts bytes, of the body and of all that an attribute has."""

import pytest

from django_sqs_kombu.quotas import size_of


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"MessageBody": "abc"}, 3),
        ({"MessageBody": "ż" * 5}, 10),
        ({"MessageBody": "", "MessageAttributes": None}, 0),
        ({"MessageBody": "漢" * 10}, 30),
        (
            {
                "MessageBody": "a",
                "MessageAttributes": {
                    "名": {"DataType": "String", "StringValue": "漢字"},
                    "b": {"DataType": "Binary", "BinaryValue": b"\xff\xfe"},
                },
            },
            1 + (3 + 6 + 6) + (1 + 6 + 2),
        ),
        # It is refused elsewhere; to be counted it must not fail.
        ({"MessageBody": "\ud800"}, 3),
    ],
)
def test_sizes_are_counted_in_bytes(params, size):
    assert size_of(params) == size
