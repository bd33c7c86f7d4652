"""Whatever a sender accepts its receiver reads, in every class and both wire formats."""

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_sqs_kombu import (
    EncodedMHMessage,
    JSONMessage,
    Message,
    MessageEncodeError,
    MHMessage,
    RawMessage,
    ReceiverConsumer,
)


@dataclasses.dataclass
class Point:
    x: int
    name: str = ""


text = st.one_of(
    st.text(max_size=20),
    st.text(st.sampled_from('{}[]":,=eyA \n\r\t\u2028\x85\ud800'), max_size=8),
    st.sampled_from(["", " ", "{}", "[]", '""', "null", "1234", "aGk=", "e30=", '{"a": 1}']),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
) | st.sampled_from(
    [
        {"__type__": "uuid", "__value__": "x"},
        {"__type__": "x", "__value__": 1},
        {"body": "x", "properties": {}},
        {"body": "x", "headers": {}, "properties": {}, "content-type": "text/plain"},
    ]
)
mappings = st.dictionaries(text, text | st.integers(), max_size=3) | st.sampled_from(
    [{"__type__": "x", "__value__": "y"}, {'{"a"': "1}"}, {"body": "x", "properties": "y"}]
)


def as_text(value, wire_format):
    """Bytes that are text come back as text; others as they are, or in raw as base64."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value if wire_format == "kombu" else Message().encode(value)
    return value


def as_strings(value, wire_format):
    """Keys and values are text; the lines of the raw format are trimmed, as boto's are."""
    trim = str.strip if wire_format == "raw" else str
    return {trim(str(k)): trim(str(v)) for k, v in value.items()} if value else {}


def as_json(value, wire_format):
    return json.loads(json.dumps(value))


def as_it_is(value, wire_format):
    return value


CASES = [
    ({"message_class": RawMessage}, text, as_it_is),
    ({"message_class": Message}, text | st.binary(max_size=20), as_text),
    ({"message_class": MHMessage}, mappings, as_strings),
    ({"message_class": EncodedMHMessage}, mappings, as_strings),
    ({"message_class": JSONMessage}, json_values, as_json),
    ({"model": Point}, st.builds(Point, st.integers(-(2**40), 2**40), text), as_it_is),
]
IDS = ["RawMessage", "Message", "MHMessage", "EncodedMHMessage", "JSONMessage", "model"]


@pytest.mark.parametrize("wire_format", ["kombu", "raw"])
@pytest.mark.parametrize(("options", "values", "expected"), CASES, ids=IDS)
def test_what_is_accepted_is_read(receivers, wire_format, options, values, expected):
    read = {}
    queue = receivers.register(
        "q",
        lambda m: read.update({m.message_attributes["n"]["StringValue"]: m.get_body()}),
        wire_format=wire_format,
        **options,
    )

    @settings(max_examples=4, deadline=None, database=None)
    @given(batch=st.lists(values, min_size=5, max_size=10))
    def check(batch):
        read.clear()
        sent = {}
        for number, value in enumerate(batch):
            try:
                message = queue.message_class.from_value(value)
                receivers.send("q", message, attributes={"n": str(number)})
            except MessageEncodeError:
                continue
            sent[str(number)] = expected(value, wire_format)
        if sent:
            ReceiverConsumer(receivers, message_limit=len(sent)).run()
        assert read == sent

    check()


@pytest.mark.parametrize("wire_format", ["kombu", "raw"])
@pytest.mark.parametrize(
    ("message_class", "read"),
    [
        (RawMessage, ""),
        (Message, ""),
        (MHMessage, {}),
        (EncodedMHMessage, {}),
        (JSONMessage, ""),
    ],
)
def test_an_empty_body_is_read_or_refused(receivers, counts, wire_format, message_class, read):
    seen = []
    queue = receivers.register(
        "q",
        lambda m: seen.append(m.get_body()),
        message_class=message_class,
        wire_format=wire_format,
    )
    if wire_format == "raw" and message_class is not JSONMessage:
        with pytest.raises(MessageEncodeError, match="empty body"):
            receivers.send("q", body="")
        return
    receivers.send("q", body="")
    ReceiverConsumer(receivers, message_limit=1).run()

    assert seen == [read]
    assert counts(queue.full_name()) == (0, 0, 0)


@pytest.mark.parametrize("value", [None, "", 0, False, [], {}, math.inf])
def test_every_json_value_can_be_sent(receivers, value):
    seen = []
    receivers.register("q", lambda m: seen.append(m.get_body()), message_class=JSONMessage)
    receivers.send_many("q", [value])
    ReceiverConsumer(receivers, message_limit=1).run()

    assert seen == [value]


@pytest.mark.parametrize("wire_format", ["kombu", "raw"])
@pytest.mark.parametrize(
    ("message_class", "body"),
    [(RawMessage, "\ud800"), (Message, "a\udfffb"), (MHMessage, {"a": "\ud800"})],
)
def test_a_lone_surrogate_is_refused_by_its_sender(
    receivers, server, wire_format, message_class, body
):
    queue = receivers.register("q", message_class=message_class, wire_format=wire_format)

    with pytest.raises(MessageEncodeError, match="surrogates not allowed"):
        receivers.send("q", body=body)
    assert server.count("SendMessage", queue.full_name()) == 0


@pytest.mark.parametrize("wire_format", ["kombu", "raw"])
@pytest.mark.parametrize("message_class", [RawMessage, JSONMessage])
def test_what_looks_like_kombus_envelope_is_read_or_refused(receivers, wire_format, message_class):
    mapping = {"body": "a mail's", "properties": {"subject": "x"}}
    body = mapping if message_class is JSONMessage else json.dumps(mapping)
    queue = receivers.register(
        "q", lambda m: m.get_body(), message_class=message_class, wire_format=wire_format
    )
    if wire_format == "raw":
        with pytest.raises(MessageEncodeError, match="for Kombu's envelope"):
            receivers.send("q", body=body)
        return
    receivers.send("q", body=body)

    assert queue.receive_single()[1] == body
