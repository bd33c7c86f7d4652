"""Coverage-guided fuzzing of what reads a stranger's body: ``make fuzz SECONDS=60``.

It ends with an error at the first body that does anything but what is promised: an
envelope or a foreign body comes out, unpacked within its bounds; every message class makes a
value or a MessageDecodeError of it; and whatever is printed of it is short and on one line.
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
    from kombu.transport import virtual

    from django_sqs_kombu import (
        BigMessage,
        EncodedMHMessage,
        JSONMessage,
        Message,
        MessageDecodeError,
        MHMessage,
        RawMessage,
        SQSError,
    )
    from django_sqs_kombu.printable import quoted
    from django_sqs_kombu.transport.body.compression import MAX_UNPACKED
    from django_sqs_kombu.transport.body.envelope import FOREIGN
    from django_sqs_kombu.transport.body.payloads import POINTER_CLASS, LargePayloads
    from django_sqs_kombu.transport.body.reading import CODECS, read_body


class NoBucket(BigMessage):
    """Its objects are never there: only the reading of the URL is under test."""

    buckets = ("bucket/incoming/",)

    def _client(self):
        raise MessageDecodeError("no S3 here")


CLASSES = (RawMessage, Message, JSONMessage, MHMessage, EncodedMHMessage, NoBucket)
#: What an error's text may have, in characters: cut, and then escaped.
LONGEST = 50_000


class NoS3:
    """An S3 that may only be asked for objects of our form."""

    def get_object(self, Bucket, Key):  # noqa: N803 - boto3's names
        assert Bucket == "bucket"
        assert len(Key.removeprefix("django-sqs/")) == 36
        raise OSError("no S3 here")


payloads = LargePayloads("bucket", NoS3)


class NoChannel(virtual.Channel):
    """What Kombu asks to decode a body."""

    def __init__(self):
        pass

    # Nothing of Kombu's that ends a connection is to run.
    def __del__(self):
        pass


channel = NoChannel()


class Delivery(virtual.Message):
    """A message as the message classes see it."""

    sqs_message = {"MessageId": "1", "ReceiptHandle": "r"}  # noqa: RUF012

    @property
    def is_foreign(self):
        return FOREIGN in self.properties

    @property
    def text(self):
        return self.body.decode()


def body_of(data):
    """What SQS could hold: text as it is, inside an envelope, or compressed in one."""
    kind, text = (data[0] % 5 if data else 0), data[1:].decode(errors="replace")
    if kind == 1:
        return '{"headers": {}, "properties": {}, "body": ' + text + "}"
    if kind == 2:
        return base64.b64encode(text.encode()).decode()
    if kind == 4:
        bucket, _, key = text.partition("/")
        return json.dumps([POINTER_CLASS, {"s3BucketName": bucket, "s3Key": key}])
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
    body = body_of(data)
    follow(body)
    payload, error = read_body(body)
    assert len(payload["body"]) <= max(MAX_UNPACKED, len(body))
    assert payload["content-encoding"] in CODECS.values()
    assert "compression" not in payload["headers"]
    if error is not None:
        check(error)
        return
    payload["properties"]["delivery_tag"] = "r"
    delivery = Delivery(payload, channel=channel)
    delivery.accept = {"application/json"}
    if delivery.errors:
        return
    for cls in CLASSES:
        try:
            decoded = cls.from_delivery(delivery)
        except MessageDecodeError as exc:
            check(exc)
            check(exc.__cause__)
            continue
        assert quoted(decoded.get_body()).isprintable()


def follow(body):
    """Nothing but our own objects is asked for."""
    message = {"Body": body, "MessageAttributes": {"ExtendedPayloadSize": {}}}
    try:
        payloads.body(message)
    except SQSError as exc:
        check(exc)


def check(error):
    """What is logged of an error is short and on one line."""
    assert error is None or (str(error).isprintable() and len(str(error)) < LONGEST)


SEEDS = (
    b'\0{"body": "x", "content-type": "application/json", "content-encoding": "utf-8", '
    b'"headers": {}, "properties": {"delivery_info": {}}}',
    b'\1"x", "content-type": "application/text"',
    b'\2{"body": "eA==", "headers": {}, "properties": {"body_encoding": "base64"}}',
    b"\3application/x-gzip:" + zlib.compress(b"x"),
    b"\0a: b\nc: d",
    b"\0s3://bucket/key",
    b"\0eyJhIjogMX0=",
    b'\0{"a": 1}',
    b"\0eyJh\nIjog\r\nMX0=",
    b'\1"x", "content-encoding": "bz2"',
    b"\4bucket/django-sqs/148994ca-a32d-4111-b6b0-e88cffa11d99",
    b"\4bucket/backups/db.sql",
)


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / str(number)).write_bytes(seed)
        words = Path(__file__).with_name("words.dict")
        atheris.Setup([*sys.argv, f"-dict={words}", corpus], read_one)
        atheris.Fuzz()
