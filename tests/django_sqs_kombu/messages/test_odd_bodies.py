"""Bodies made to hurt: no crash, bounded memory, and the consumer goes on."""

import base64
import tracemalloc
from types import SimpleNamespace

import pytest

from django_sqs_kombu import (
    EncodedMHMessage,
    JSONMessage,
    Message,
    MessageDecodeError,
    MHMessage,
    RawMessage,
    ReceiverConsumer,
)
from django_sqs_kombu.transport.body.reading import read_body

#: As much as SQS takes.
SIZE = 1024 * 1024
ENVELOPE = '{"body": %s, "headers": {}, "properties": {}}'


def filled(pattern, before="", after=""):
    room = SIZE - len(before) - len(after)
    return before + pattern * (room // len(pattern)) + after


ODD = {
    "nested brackets": filled("["),
    "nested brackets, closed": "[" * (SIZE // 2) + "]" * (SIZE // 2),
    "nested objects": filled('{"a":'),
    "nested brackets in an envelope": filled("[", '{"body": "x", "headers": {}, "properties": '),
    "a huge number": filled("9"),
    "a huge number in an envelope": filled("9", '{"properties": {"priority": ', "}}"),
    "a huge exponent": ENVELOPE % "1e999999999",
    "surrogates": filled("\\ud800", '{"body": "', '", "headers": {}, "properties": {}}'),
    "escaped NULs": filled("\\u0000", '{"body": "', '", "headers": {}, "properties": {}}'),
    "many keys": "{" + ",".join(f'"{n}":0' for n in range(80_000)) + "}",
    "many lines": filled("a:b\n"),
    "colons": filled(":"),
    "a wrong encoding": '{"body": "x", "content-encoding": "rot13", "headers": {}, '
    '"properties": {}}',
    "a wrong type": '{"body": "x", "content-type": "application/x-python-serialize", '
    '"headers": {}, "properties": {}}',
    "a wrong compression": '{"body": "x", "headers": {"compression": "zlib"}, "properties": {}}',
}


ODD_IN_BASE64 = {
    f"{name} in base64": base64.b64encode(body.encode()[: SIZE * 3 // 4]).decode()
    for name, body in ODD.items()
}
BODIES = {**ODD, **ODD_IN_BASE64}
CLASSES = (RawMessage, Message, JSONMessage, MHMessage, EncodedMHMessage)
#: Bytes that reading one body may take; the most is many small objects, 80,000 here.
MEMORY = 48 * SIZE


def delivery(text):
    return SimpleNamespace(is_foreign=True, text=text, sqs_message={"MessageId": "1"})


@pytest.mark.parametrize("name", BODIES)
def test_memory_is_bounded_and_nothing_but_a_decode_error_comes_of_it(name):
    body = BODIES[name]
    tracemalloc.start()
    try:
        payload, _ = read_body(body)
        assert isinstance(payload["body"], str | bytes)
        for cls in CLASSES:
            try:
                cls.from_delivery(delivery(body))
            except MessageDecodeError:
                continue
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < MEMORY


@pytest.mark.parametrize("message_class", [Message, JSONMessage])
def test_a_consumer_goes_on(receivers, sqs, counts, message_class):
    seen = []
    queue = receivers.register("orders", seen.append, message_class=message_class)
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    for body in [*BODIES.values(), "eyJhIjogMX0="]:
        sqs.send_message(QueueUrl=url, MessageBody=body)

    ReceiverConsumer(receivers, threads=2, message_limit=len(BODIES) + 1).run()

    assert counts(queue.full_name()) == (0, 0, 0)
    assert any(m.get_body() in ({"a": 1}, '{"a": 1}') for m in seen)


def test_a_decoder_whose_error_has_no_text_makes_it_a_decode_error():
    class Mute(Exception):
        def __str__(self):
            raise ZeroDivisionError

    class Muttering(Message):
        def decode(self, body):
            raise Mute

    with pytest.raises(MessageDecodeError, match="cannot decode the body: Mute: ") as raised:
        Muttering.from_delivery(delivery("x"))

    assert raised.value.kind is Mute
