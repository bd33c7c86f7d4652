"""Coverage-guided fuzzing of what reads a stranger's body: ``make fuzz SECONDS=60``.

It ends with an error at the first body that does anything but what is promised: an
envelope or a foreign body comes out, and every message class makes a value or a
MessageDecodeError of it.
"""

import base64
import json
import logging
import sys
import tempfile
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["django_sqs_kombu", "kombu.transport.virtual"]):
    from django_sqs_kombu import (
        BigMessage,
        EncodedMHMessage,
        JSONMessage,
        Message,
        MessageDecodeError,
        MHMessage,
        RawMessage,
    )
    from django_sqs_kombu.transport.body.payloads import LargePayloads
    from django_sqs_kombu.transport.channel import Channel
    from django_sqs_kombu.transport.delivery import Delivery
    from django_sqs_kombu.transport.receiving.leases import Lease
    from django_sqs_kombu.working.outcomes import printable


class NoBucket(BigMessage):
    """Its objects are never there: only the reading of the URL is under test."""

    def _client(self):
        raise MessageDecodeError("no S3 here")


CLASSES = (RawMessage, Message, JSONMessage, MHMessage, EncodedMHMessage, NoBucket)


class Unconnected(Channel):
    """A channel that makes payloads of messages and has no connection."""

    _noack_queues = frozenset()
    payloads = LargePayloads("bucket", lambda: None)

    def __init__(self):
        self.requests = self

    def existing_url(self, queue):
        return "http://127.0.0.1/q"

    # Nothing of Kombu's that ends a connection is to run.
    def __del__(self):
        pass


channel = Unconnected()


def body_of(data):
    """What SQS could hold: text as it is, inside an envelope, or compressed in one."""
    kind, text = (data[0] % 4 if data else 0), data[1:].decode(errors="replace")
    if kind == 1:
        return '{"headers": {}, "properties": {}, "body": ' + text + "}"
    if kind == 2:
        return base64.b64encode(text.encode()).decode()
    if kind == 3:
        method, _, packed = data[1:].partition(b":")
        return json.dumps(
            {
                "body": base64.b64encode(packed).decode(),
                "headers": {"compression": method.decode(errors="replace")},
                "properties": {"body_encoding": "base64"},
            }
        )
    return text


def read_one(data):
    message = {"MessageId": "1", "ReceiptHandle": "r", "Body": body_of(data)}
    delivery = Delivery(channel.payload(Lease("q", message, 30, 0.0)), channel=channel)
    assert isinstance(printable(delivery, None), str)
    if delivery.errors:
        return
    for cls in CLASSES:
        try:
            decoded = cls.from_delivery(delivery)
        except MessageDecodeError:
            continue
        assert isinstance(printable(delivery, decoded), str)


SEEDS = (
    b'\0{"body": "x", "content-type": "application/json", "content-encoding": "utf-8", '
    b'"headers": {}, "properties": {"delivery_info": {}}}',
    b'\1"x", "content-type": "application/text"',
    b'\2{"body": "eA==", "headers": {}, "properties": {"body_encoding": "base64"}}',
    b"\3application/x-gzip:" + zlib.compress(b"x"),
    b"\0a: b\nc: d",
    b"\0s3://bucket/key",
    b"\0eyJhIjogMX0=",
)


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / str(number)).write_bytes(seed)
        words = Path(__file__).with_name("words.dict")
        atheris.Setup([*sys.argv, f"-dict={words}", corpus], read_one)
        atheris.Fuzz()
