"""Compressed bodies: read as kombu writes them, and bombs of every kind are not unpacked."""

import base64
import bz2
import json
import lzma
import time
import tracemalloc
import zlib

import kombu.compression
import pytest

from django_sqs_kombu import MessageDecodeError, ReceiverConsumer
from django_sqs_kombu.transport.body.compression import MAX_STREAMS, MAX_UNPACKED, unpacked
from django_sqs_kombu.transport.body.reading import read_body

MIB = 1024 * 1024


def compressed(method, data):
    return json.dumps(
        {
            "body": base64.b64encode(data).decode(),
            "content-type": "text/plain",
            "content-encoding": "utf-8",
            "headers": {"compression": method},
            "properties": {"body_encoding": "base64"},
        }
    )


METHODS = [
    "application/x-gzip",
    "application/x-bz2",
    "application/x-lzma",
    "application/x-brotli",
    "application/zstd",
]


def packed(method, data):
    if method not in kombu.compression.encoders():
        pytest.skip(f"nothing for {method} is installed")
    return kombu.compression.compress(data, method)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", [b"", b"small", b"\0" * MIB, bytes(range(256)) * 1_000])
def test_what_kombu_packs_is_unpacked(method, data):
    body = packed(method, data)

    assert unpacked(body, method) == data
    assert all(
        unpacked(body, a) == data for a, m in kombu.compression._aliases.items() if m == method
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_body_that_ends_too_early_or_is_not_packed_is_an_error(method):
    body = packed(method, bytes(range(256)) * 100)

    for wrong in (body[:-5], b"not packed", b""):
        with pytest.raises(MessageDecodeError, match="cannot be unpacked"):
            unpacked(wrong, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_bomb_is_not_unpacked(method):
    body = packed(method, b"\0" * (MAX_UNPACKED + 5 * MIB))
    tracemalloc.start()
    with pytest.raises(MessageDecodeError, match="unpacks to more than 67,108,864 bytes"):
        unpacked(body, method)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 3 * MAX_UNPACKED


@pytest.mark.parametrize("method", ["application/x-bz2", "application/x-lzma", "application/zstd"])
def test_streams_may_follow_one_another_but_not_without_an_end(method):
    one = packed(method, b"some")

    assert unpacked(one * 10, method) == b"some" * 10
    started = time.process_time()
    empty = packed(method, b"")
    with pytest.raises(MessageDecodeError, match=f"more than {MAX_STREAMS} compressed streams"):
        unpacked(empty * (MIB // len(empty)), method)
    assert time.process_time() - started < 2


def test_a_bomb_of_several_streams_is_not_unpacked():
    with pytest.raises(MessageDecodeError, match="more than"):
        unpacked(bz2.compress(b"\0" * 8 * MIB) * 12, "bzip2")


@pytest.mark.parametrize("method", ["application/x-bz2", "application/x-lzma"])
def test_what_follows_the_last_stream_is_ignored_as_by_kombu(method):
    body = packed(method, b"some") + b"something else"

    assert unpacked(body, method) == kombu.compression.decompress(body, method) == b"some"


def test_a_small_body_that_asks_for_gigabytes_to_look_back_on_is_not_unpacked():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1024 * MIB}]
    body = lzma.compress(b"x", filters=filters)

    with pytest.raises(MessageDecodeError, match="cannot be unpacked"):
        unpacked(body, "xz")
    assert unpacked(lzma.compress(b"x", preset=9), "xz") == b"x"


@pytest.mark.parametrize("method", ["rot13", "a\nERROR forged", ["gzip"], 5, "x" * 100_000])
def test_a_method_that_is_not_known_is_an_error(method):
    payload, error = read_body(
        json.dumps({"body": "x", "headers": {"compression": method}, "properties": {}})
    )

    assert str(error).startswith("The compression")
    assert str(error).isprintable()
    assert len(str(error)) < 500
    # Kombu must not try it, either.
    assert "compression" not in payload["headers"]


def test_packed_bytes_that_happen_to_be_text_are_unpacked(monkeypatch):
    data = next(d for d in (b"%d" % n for n in range(10_000)) if is_text(zlib.compress(d, 1)))
    text = zlib.compress(data, 1).decode()
    payload, error = read_body(
        json.dumps({"body": text, "headers": {"compression": "zlib"}, "properties": {}})
    )

    assert error is None
    assert payload["body"] == data


def is_text(data):
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def test_a_consumer_goes_on_after_a_bomb(receivers, sqs, counts, caplog):
    seen = []
    queue = receivers.register("orders", lambda message: seen.append(message.get_body()))
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    for data in (b"\0" * 100 * MIB, b"small"):
        body = compressed("application/x-gzip", zlib.compress(data))
        sqs.send_message(QueueUrl=url, MessageBody=body)

    ReceiverConsumer(receivers, message_limit=2).run()

    assert seen == ["small"]
    assert "unpacks to more than 67,108,864 bytes" in caplog.text
    assert counts(queue.full_name()) == (0, 0, 0)
