import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_sqs_kombu.transport.body.envelope import (
    foreign_payload,
    parse_envelope,
    rewritten,
    write_envelope,
)

ENVELOPE = {
    "body": "text",
    "content-type": "text/plain",
    "content-encoding": "utf-8",
    "headers": {},
    "properties": {"delivery_info": {"exchange": "", "routing_key": "q"}},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def with_changes(**changes):
    return json.dumps({**ENVELOPE, **changes})


@pytest.mark.parametrize(
    "wrap",
    [
        str,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.encodebytes(text.encode()).decode(),
        lambda text: base64.encodebytes(text.encode()).decode().replace("\n", "\r\n"),
        lambda text: base64.b64encode(b" " + text.encode()).decode(),
        lambda text: base64.b64encode(b"\r\n\t" + text.encode()).decode(),
    ],
)
def test_an_envelope_is_read_plain_and_in_base64(wrap):
    payload = parse_envelope(wrap(json.dumps(ENVELOPE)))

    assert payload["body"] == "text"
    assert payload["content-type"] == "text/plain"


def test_a_base64_body_is_decoded():
    body = with_changes(body="/wA=", properties={"body_encoding": "base64"})

    assert parse_envelope(body)["body"] == b"\xff\x00"


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "plain text",
        "eyJ",
        "e30=",
        "ZXhhbXBsZQ==",
        "12345",
        "null",
        "[]",
        "{}",
        '"text"',
        "<xml/>",
        "{" * 50_000,
        '{"properties": 1}',
        '{"body": "x"}',
        '{"body": "x", "properties": []}',
        '{"body": "x", "properties": {}, "id": 5}',
        '{"body": "x", "properties": {"a": 1}, "headers": {}, "subject": "a mail"}',
        with_changes(body=1),
        with_changes(body=None),
        with_changes(headers=["x"]),
        with_changes(headers="x"),
        with_changes(properties="x"),
        with_changes(properties={"delivery_info": "x"}),
        with_changes(properties={"body_encoding": "rot13"}),
        with_changes(properties={"body_encoding": 7}),
        with_changes(body="no base64!", properties={"body_encoding": "base64"}),
        with_changes(**{"content-type": 1}),
        with_changes(**{"content-encoding": ["x"]}),
        json.dumps({"Type": "Notification", "Message": "sns"}),
        json.dumps({"Records": [{"eventSource": "aws:s3"}]}),
    ],
)
def test_everything_else_is_foreign(body):
    assert parse_envelope(body) is None
    assert foreign_payload(body)["body"] == body


def test_a_sender_cannot_mark_an_envelope_as_foreign():
    body = with_changes(properties={"sqs_foreign": True})

    assert "sqs_foreign" not in parse_envelope(body)["properties"]


@given(st.text())
def test_no_text_breaks_the_parser(text):
    assert parse_envelope(text) is None or isinstance(json.loads(text), dict)


@given(json_values)
def test_no_json_breaks_the_parser(value):
    parse_envelope(json.dumps(value))
    parse_envelope(base64.b64encode(json.dumps(value).encode()).decode())


@given(st.text(), st.dictionaries(st.text(), json_values))
def test_what_is_written_is_read(body, headers):
    written = write_envelope({**ENVELOPE, "body": body, "headers": headers})

    payload = parse_envelope(written)
    assert payload["body"] == body
    assert payload["headers"] == headers


@pytest.mark.parametrize("armoured", [False, True])
def test_an_envelope_is_rewritten_as_its_sender_wrote_it(armoured):
    envelope = {"body": "eA==", "headers": None, "properties": {"body_encoding": "base64"}}
    text = json.dumps(envelope)
    if armoured:
        text = base64.encodebytes(text.encode()).decode()
    new = rewritten(text, lambda envelope: envelope["headers"].update(why="so"))
    if armoured:
        new = base64.b64decode(new)

    assert json.loads(new) == {**envelope, "headers": {"why": "so"}}


@pytest.mark.parametrize("text", ["", "x", "eA==", "[1]", '{"body": 1, "properties": {}}', "{"])
def test_what_is_no_envelope_is_not_rewritten(text):
    assert rewritten(text, lambda envelope: None) is None
