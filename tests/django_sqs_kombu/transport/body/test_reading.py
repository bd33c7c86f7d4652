"""What becomes of an envelope: as stock kombu reads it, and no codec that it names."""

import base64
import json
import time
import tracemalloc

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.transport import SQS, virtual

from django_sqs_kombu import Message, MessageDecodeError, ReceiverConsumer
from django_sqs_kombu.transport.body.reading import read_body

#: As much as SQS takes.
SIZE = 1024 * 1024
CODECS = virtual.Channel.codecs
TASK = {"task": "a.task", "id": "1", "args": [1], "kwargs": {}}


class StockChannel(SQS.Channel):
    """Stock kombu's channel, as far as it reads a message."""

    _noack_queues = frozenset()

    def __init__(self):
        pass

    def __del__(self):
        pass


def stock(body):
    """What stock kombu makes of an SQS body."""
    channel = StockChannel()
    received = {"Body": body, "ReceiptHandle": "r", "MessageId": "1"}
    return virtual.Message(channel._message_to_python(received, "q", "url"), channel=channel)


def ours(body):
    payload, error = read_body(body)
    assert error is None
    assert payload["properties"].get("sqs_foreign") is None
    payload["properties"]["delivery_tag"] = "r"
    return virtual.Message(payload, channel=StockChannel())


def read(message):
    message.accept = {"application/json"}
    return message.payload, bytes(message.body), message.headers, message.content_type


JSON_TASK = json.dumps(TASK)
IN_BASE64 = base64.b64encode(JSON_TASK.encode()).decode()
JSON_KIND = {"content-type": "application/json", "content-encoding": "utf-8"}
ENVELOPES = {
    "all of it": {"body": JSON_TASK, **JSON_KIND, "headers": {"a": 1}, "properties": {}},
    "no content-encoding": {
        "body": JSON_TASK,
        "content-type": "application/json",
        "headers": {},
        "properties": {},
    },
    "null as content-encoding": {
        "body": JSON_TASK,
        "content-type": "application/json",
        "content-encoding": None,
        "headers": {},
        "properties": {},
    },
    "no headers (protocol 1)": {
        "body": IN_BASE64,
        **JSON_KIND,
        "properties": {"body_encoding": "base64", "delivery_info": {"routing_key": "q"}},
    },
    "null as headers": {"body": JSON_TASK, **JSON_KIND, "headers": None, "properties": {}},
    "an empty list as headers": {"body": JSON_TASK, **JSON_KIND, "headers": [], "properties": {}},
    "empty properties and no headers": {"body": JSON_TASK, **JSON_KIND, "properties": {}},
    "nothing but a body": {"body": "text", "properties": {}},
    "an empty body": {"body": "", "properties": {}},
    "binary": {"body": "text", "content-encoding": "binary", "properties": {}},
    "a body in base64 with line breaks": {
        "body": base64.encodebytes(JSON_TASK.encode() * 1).decode(),
        **JSON_KIND,
        "properties": {"body_encoding": "base64"},
    },
    "capitals": {
        "body": "text",
        "content-encoding": "UTF-8",
        "properties": {"body_encoding": "UTF-8"},
    },
    "an odd encoding of JSON": {
        "body": JSON_TASK,
        "content-type": "application/json",
        "content-encoding": "gzip",
        "properties": {},
    },
    "types that JSON lacks": {
        "body": {"__type__": "bytes", "__value__": JSON_TASK},
        **JSON_KIND,
        "headers": {
            "when": {"__type__": "datetime", "__value__": "2026-01-31T12:00:00+00:00"},
            "price": [{"__type__": "decimal", "__value__": "1.50"}],
            "id": {"__type__": "uuid", "__value__": {"hex": "0" * 32, "version": None}},
            "key": {"__type__": "base64", "__value__": "/w=="},
        },
        "properties": {},
    },
    "bytes in base64": {
        "body": {"__type__": "bytes", "__value__": IN_BASE64},
        **JSON_KIND,
        "properties": {"body_encoding": "base64"},
    },
    "keys of its own": {"body": JSON_TASK, **JSON_KIND, "properties": {}, "more": 1},
}


@pytest.mark.parametrize("wrap", [str, lambda text: base64.b64encode(text.encode()).decode()])
@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope_is_read_as_stock_kombu_reads_it(name, wrap):
    body = wrap(json.dumps(ENVELOPES[name]))

    assert read(ours(body)) == read(stock(body))


@pytest.mark.parametrize(
    "odd",
    [
        {"__type__": "nothing", "__value__": 1},
        {"__type__": "datetime", "__value__": "yesterday"},
        {"__type__": ["unhashable"], "__value__": 1},
        {"__type__": "base64", "__value__": 7},
    ],
)
def test_a_type_that_is_none_is_left_as_it_came(odd):
    sent = {"body": "text", **JSON_KIND, "headers": {"odd": odd}, "properties": {"odd": odd}}

    message = ours(json.dumps(sent))

    assert message.headers == {"odd": odd}
    assert message.properties["odd"] == odd


@pytest.mark.parametrize(
    "odd",
    [{"__type__": "bytes", "__value__": "abc"}, {"__type__": "base64", "__value__": "/w=="}],
)
def test_bytes_that_are_not_the_base64_they_are_said_to_be_are_somebodys_own(odd):
    sent = {"body": odd, **JSON_KIND, "properties": {"body_encoding": "base64"}}

    payload, error = read_body(json.dumps(sent))

    # Else Kombu would decode it, outside of all that settles what cannot be read.
    assert error is None
    assert payload["properties"]["sqs_foreign"]


def test_what_a_message_says_of_its_delivery_stays_json():
    day = {"__type__": "date", "__value__": "2026-01-31"}
    sent = {"body": "text", **JSON_KIND, "properties": {"delivery_info": {"routing_key": day}}}

    assert ours(json.dumps(sent)).delivery_info == {"routing_key": day}


@pytest.mark.parametrize("name", ["body", "properties", "headers"])
def test_a_type_in_place_of_a_part_harms_nothing(name):
    typed = {"__type__": "decimal", "__value__": "1"}
    sent = {"body": "text", **JSON_KIND, "headers": {}, "properties": {}, name: typed}

    payload, error = read_body(json.dumps(sent))

    assert error is None
    assert payload["properties"].get("sqs_foreign") or payload["properties"] == {
        **typed,
        "delivery_info": {},
    }


def envelope(body, encoding, content_type="text/plain"):
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": content_type,
            "content-encoding": encoding,
            "headers": {},
            "properties": {"body_encoding": "base64"},
        }
    )


@pytest.mark.parametrize(
    ("encoding", "body", "value"),
    [
        ("utf-8", "żółw".encode(), "żółw"),
        ("UTF8", "żółw".encode(), "żółw"),
        ("us-ascii", b"text", "text"),
        ("iso-8859-1", b"\xe9", "é"),
        ("binary", b"\xff", b"\xff"),
        ("ascii-8bit", b"\xff", b"\xff"),
        ("base64", b"dGV4dA==", b"text"),
    ],
)
def test_these_encodings_are_known(encoding, body, value):
    assert ours(envelope(body, encoding)).payload == value


@pytest.mark.parametrize(
    "encoding",
    [
        "bz2",
        "zlib",
        "hex",
        "punycode",
        "idna",
        "rot13",
        "uu",
        "quopri",
        "utf-7",
        "a\nERROR x",
        "x" * 1_000,
    ],
)
def test_any_other_is_an_error_and_not_looked_up(encoding):
    payload, error = read_body(envelope(b"text", encoding))

    assert "is not one of ascii, ascii-8bit" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500
    assert payload["content-encoding"] == "utf-8"


def test_no_codec_of_pythons_costs_memory_or_time(receivers, sqs, counts, caplog):
    import bz2
    import zlib

    seen = []
    queue = receivers.register("orders", lambda message: seen.append(message.get_body()))
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    for encoding, body in [
        ("bz2", bz2.compress(b"\0" * 80 * SIZE)),
        ("zlib", zlib.compress(b"\0" * 80 * SIZE)),
        ("punycode", b"a" * (SIZE // 2)),
        ("utf-8", b"last"),
    ]:
        sqs.send_message(QueueUrl=url, MessageBody=envelope(body, encoding))
    tracemalloc.start()
    started = time.process_time()
    ReceiverConsumer(receivers, message_limit=4).run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen == ["last"]
    assert counts(queue.full_name()) == (0, 0, 0)
    assert peak < 60 * SIZE
    assert time.process_time() - started < 20


def test_a_sender_names_no_consumer():
    body = json.dumps({"body": "x", "properties": {"delivery_info": {"consumer_tag": "1"}}})

    assert read_body(body)[0]["properties"]["delivery_info"] == {}


def test_pickle_is_refused_with_an_error_on_one_line():
    body = envelope(b"x", "binary", "application/x-python-serialize")

    with pytest.raises(ContentDisallowed):
        read(ours(body))
    forged = ours(envelope(b"x", "utf-8", "a/b\nERROR forged" + "x" * 100_000))
    forged.accept = {"application/json"}
    forged.is_foreign, forged.sqs_message = False, {"MessageId": "1"}
    with pytest.raises(MessageDecodeError, match="cannot decode") as raised:
        Message.from_delivery(forged)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1_000
    assert str(raised.value.__cause__).isprintable()
