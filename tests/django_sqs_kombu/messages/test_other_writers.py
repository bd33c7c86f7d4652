"""Bodies as other programs write them: plain JSON, and base64 with line breaks."""

import base64
import json

import pytest

from django_sqs_kombu import EncodedMHMessage, JSONMessage, Message, MessageDecodeError, MHMessage
from django_sqs_kombu.transport.body.armour import unarmoured

from .test_boto import delivery

LONG = "a rather long text, żółw, that is more than one line of base64, " * 3


def ruby(data):
    """Ruby's Base64.encode64: lines of 60."""
    text = base64.b64encode(data).decode()
    return "".join(text[n : n + 60] + "\n" for n in range(0, len(text), 60))


def mime(data):
    """MIME: lines of 76, ended by CR LF."""
    return base64.encodebytes(data).decode().replace("\n", "\r\n")


def folded(data):
    """Continued like a mail's header."""
    return base64.encodebytes(data).decode().replace("\n", "\n\t ")


def python(data):
    return base64.encodebytes(data).decode()


WRITERS = [python, ruby, mime, folded]


@pytest.mark.parametrize("write", WRITERS)
def test_base64_with_line_breaks_is_read_as_boto_reads_it(write):
    mapping = {"key": LONG.strip(), "other": "2"}
    lines = "".join(f"{key}: {value}\n" for key, value in mapping.items())

    def read(cls, text):
        return cls.from_delivery(delivery(write(text.encode()))).get_body()

    assert read(Message, LONG) == LONG
    assert read(JSONMessage, json.dumps(mapping)) == mapping
    assert read(JSONMessage, json.dumps([LONG])) == [LONG]
    assert read(EncodedMHMessage, lines) == mapping


@pytest.mark.parametrize("text", ["YWJj ZGVm", "YW\x0bJj", "YW\u2028Jj", "YWJ\n", "YQ==\nYQ=="])
def test_other_text_is_no_base64(text):
    with pytest.raises(ValueError, match=r"."):
        unarmoured(text)


def test_text_of_many_lines_is_read_in_no_time():
    with pytest.raises(ValueError, match=r"."):
        unarmoured("\n".join(["a b " * 20] * 20_000))
    with pytest.raises(ValueError, match=r"."):
        unarmoured("\n" + " " * 1_000_000 + "!\n")


VALUES = [{"a": 1, "b": [None, "ż"]}, {}, [1, "two"], [], "text", "", 12, 1234, -1.5, True, None]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "write", [json.dumps, lambda v: json.dumps(v, indent=2, ensure_ascii=False)]
)
@pytest.mark.parametrize("before", ["", "\n ", "\ufeff"])
def test_plain_json_is_json_to_a_json_message(value, write, before):
    assert JSONMessage.from_delivery(delivery(before + write(value))).get_body() == value


@pytest.mark.parametrize("content_type", ["text/plain", "application/text", None])
def test_so_it_is_inside_an_envelope(content_type):
    received = delivery('{"a": 1}', content_type, '{"a": 1}', is_foreign=False)

    for cls in (JSONMessage, EncodedMHMessage, MHMessage):
        assert cls.from_delivery(received).get_body() == {"a": 1}


@pytest.mark.parametrize("cls", [MHMessage, EncodedMHMessage])
def test_a_json_object_is_a_mapping_to_the_mapping_classes(cls):
    assert cls.from_delivery(delivery('{"a": "1", "b": "x:y"}')).get_body() == {
        "a": "1",
        "b": "x:y",
    }


@pytest.mark.parametrize("text", ["[1]", '["a: b"]', '{"a": 1', "{", "["])
def test_what_begins_as_json_is_no_base64_and_must_be_a_json_object(text):
    with pytest.raises(MessageDecodeError):
        EncodedMHMessage.from_delivery(delivery(text))


@pytest.mark.parametrize("text", ["{", '{"a": 1', "[1,", '"open', "nothing at all", "YWJj", "nul"])
def test_what_is_neither_is_a_decode_error_that_says_so(text):
    with pytest.raises(MessageDecodeError, match="neither JSON nor base64 of JSON"):
        JSONMessage.from_delivery(delivery(text))


def test_plain_json_reaches_a_message_as_it_is():
    assert Message.from_delivery(delivery('{"a": 1}')).get_body() == '{"a": 1}'


LINE_BREAKS = ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("character", LINE_BREAKS)
@pytest.mark.parametrize("cls", [MHMessage, EncodedMHMessage])
def test_lines_end_at_a_line_feed_alone(cls, character):
    """As in boto, whose readline() knows no other; Python's splitlines() does."""
    mapping = {"k": f"v{character}w", "other": "2"}

    encoded = cls(body=mapping).get_body_encoded()
    assert cls.from_delivery(delivery(encoded)).get_body() == mapping


def test_lines_of_other_systems_are_read():
    assert MHMessage.from_delivery(delivery("a: 1\r\nb: 2\r\n")).get_body() == {"a": "1", "b": "2"}
