import base64
from types import SimpleNamespace

import pytest

from django_sqs_kombu import (
    BigMessage,
    EncodedMHMessage,
    JSONMessage,
    Message,
    MessageDecodeError,
    MessageEncodeError,
    MHMessage,
    RawMessage,
)

# What boto 2.49 writes, byte for byte.
BOTO_BODIES = [
    (RawMessage, "plain <text> & more", "plain <text> & more"),
    (Message, "hello", "aGVsbG8="),
    (Message, "żółw", "xbzDs8WCdw=="),
    (Message, "", ""),
    (MHMessage, {"Name": "value", "Other": "2"}, "Name: value\nOther: 2\n"),
    (EncodedMHMessage, {"Name": "value"}, "TmFtZTogdmFsdWUK"),
    (JSONMessage, {"a": 1, "b": [None, "ż"]}, "eyJhIjogMSwgImIiOiBbbnVsbCwgIlx1MDE3YyJdfQ=="),
]


def delivery(text, content_type=None, payload=None, *, is_foreign=True):
    return SimpleNamespace(
        acknowledged=False,
        is_foreign=is_foreign,
        text=text,
        content_type=content_type,
        payload=payload,
        sqs_message={
            "MessageId": "id-1",
            "ReceiptHandle": "handle-1",
            "MD5OfBody": "md5-1",
            "Attributes": {"ApproximateReceiveCount": "3"},
            "MessageAttributes": {"colour": {"StringValue": "red", "DataType": "String"}},
        },
    )


@pytest.mark.parametrize(("cls", "value", "encoded"), BOTO_BODIES)
def test_bytes_are_those_of_boto(cls, value, encoded):
    assert cls(body=value).get_body_encoded() == encoded
    assert cls(body=value).encode(value) == encoded


@pytest.mark.parametrize(("cls", "value", "encoded"), BOTO_BODIES)
def test_bodies_of_boto_are_read(cls, value, encoded):
    assert cls.from_delivery(delivery(encoded)).get_body() == value


@pytest.mark.parametrize(("cls", "value", "encoded"), BOTO_BODIES)
def test_len_is_that_of_the_encoded_body(cls, value, encoded):
    assert len(cls(body=value)) == len(encoded)


def test_a_message_is_true_even_when_its_body_is_empty():
    assert Message(body="")


def test_received_message_carries_the_facts_of_sqs():
    message = Message.from_delivery(delivery("aGVsbG8="), queue="the queue")

    assert message.id == "id-1"
    assert message.receipt_handle == "handle-1"
    assert message.md5 == "md5-1"
    assert message.attributes["ApproximateReceiveCount"] == "3"
    assert message.message_attributes["colour"]["StringValue"] == "red"
    assert message.queue == "the queue"


@pytest.mark.parametrize("text", ["not base64!", "abc", "/w==", "{}"])
def test_message_passes_what_it_cannot_decode_and_warns(text, caplog):
    assert Message.from_delivery(delivery(text)).get_body() == text
    assert "Unable to decode" in caplog.text


def test_message_takes_bytes():
    assert Message(body=b"\xff\x00").get_body_encoded() == "/wA="
    assert Message(body=b"\xff\x00").dump() == ("/wA=", "application/text")
    assert Message(body=b"text").dump() == ("text", "text/plain")


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (JSONMessage, "not base64!"),
        (JSONMessage, base64.b64encode(b"no json").decode()),
        (JSONMessage, base64.b64encode(b"[" * 100_000).decode()),
        (EncodedMHMessage, "not base64!"),
        (EncodedMHMessage, "/w=="),
        (BigMessage, "http://elsewhere/key"),
        (BigMessage, "s3://bucket-alone"),
    ],
)
def test_undecodable_bodies_are_a_decode_error(cls, text):
    with pytest.raises(MessageDecodeError):
        cls.from_delivery(delivery(text))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (RawMessage(body=5), "carries text, not int"),
        (Message(body=5), "cannot encode"),
        (Message(body="\ud800"), "surrogates not allowed"),
        (JSONMessage(body={"a": object()}), "not JSON serializable"),
        (MHMessage(body={"a": "two\nlines"}), "line break"),
        (MHMessage(body={"a:b": "c"}), "colon"),
        (BigMessage(body=b"x"), "s3_url"),
        (BigMessage(s3_url="s3://bucket"), "needs a body"),
    ],
)
def test_unencodable_values_are_an_encode_error(message, reason):
    with pytest.raises(MessageEncodeError, match=reason):
        message.get_body_encoded()


@pytest.mark.parametrize("cls", [MHMessage, EncodedMHMessage, JSONMessage])
def test_mappings(cls):
    message = cls(body={"a": "1"})
    message["b"] = "2"
    message.update({"c": "3"})

    assert message["b"] == "2"
    assert "a" in message
    assert message.has_key("c")
    assert not message.has_key("d")
    assert list(message) == list(message.keys()) == ["a", "b", "c"]
    assert list(message.values()) == ["1", "2", "3"]
    assert dict(message.items()) == {"a": "1", "b": "2", "c": "3"}
    assert message.get("d", "none") == "none"
    with pytest.raises(KeyError):
        message["d"]
    assert cls().get_body() == {}


def test_mh_line_without_a_colon_stands_for_itself():
    message = MHMessage.from_delivery(delivery("Key: value: more\n\nalone\n"))

    assert message.get_body() == {"Key": "value: more", "alone": "alone"}


@pytest.mark.parametrize(
    ("message", "inside"),
    [
        (RawMessage(body="text"), ("text", "text/plain")),
        (Message(body="text"), ("text", "text/plain")),
        (JSONMessage(body={"a": 1}), ('{"a": 1}', "application/json")),
        (MHMessage(body={"a": 1}), ('{"a": "1"}', "application/json")),
        (EncodedMHMessage(body={"a": "1"}), ('{"a": "1"}', "application/json")),
        (
            # Kombu would take this for a value of a type of its own.
            JSONMessage(body={"__type__": "x", "__value__": 1}),
            (
                base64.b64encode(b'{"__type__": "x", "__value__": 1}').decode(),
                "application/text",
            ),
        ),
    ],
)
def test_inside_a_kombu_envelope_values_are_compact(message, inside):
    assert message.dump() == inside


def test_a_subclass_that_overrides_encode_and_decode_is_honoured_in_an_envelope():
    class Reversed(JSONMessage):
        def encode(self, value):
            return value[::-1]

        def decode(self, value):
            return value[::-1]

    text, content_type = Reversed(body="abc").dump()

    assert (text, content_type) == ("cba", "application/text")
    received = Reversed.from_delivery(delivery(text, content_type, text, is_foreign=False))
    assert received.get_body() == "abc"


@pytest.mark.parametrize(
    ("cls", "content_type", "payload", "text", "value"),
    [
        (Message, "text/plain", "aGVsbG8=", "aGVsbG8=", "aGVsbG8="),
        (Message, "application/json", {"a": 1}, '{"a": 1}', '{"a": 1}'),
        (JSONMessage, "application/json", {"a": 1}, '{"a": 1}', {"a": 1}),
        (MHMessage, "application/json", {"a": "1"}, '{"a": "1"}', {"a": "1"}),
    ],
)
def test_messages_of_other_kombu_producers(cls, content_type, payload, text, value):
    received = delivery(text, content_type, payload, is_foreign=False)

    assert cls.from_delivery(received).get_body() == value


def test_mapping_classes_refuse_other_json():
    received = delivery("[1]", "application/json", [1], is_foreign=False)

    with pytest.raises(MessageDecodeError, match="needs a mapping"):
        MHMessage.from_delivery(received)
