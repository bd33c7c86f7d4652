"""Just enough HTTP/1.1 for a proxy: whole messages, read from and written to sockets."""

import contextlib
import json
import re
import socket
import struct
from dataclasses import dataclass
from functools import cached_property

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
TARGET = re.compile(rb"\r\nx-amz-target: *AmazonSQS\.(\w+)", re.IGNORECASE)


class Closed(Exception):
    """The other side closed the connection."""


@dataclass
class Message:
    """A request or an answer.

    :param head: its first line and its headers, with the empty line after them.
    :param body: its body, as long as the head says.
    """

    head: bytes
    body: bytes

    @property
    def method(self):
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @cached_property
    def is_sqs(self):
        return TARGET.search(self.head) is not None

    @cached_property
    def operation(self):
        """SQS's operation, or ``"S3 PUT"`` and the like."""
        found = TARGET.search(self.head)
        return found[1].decode() if found else f"S3 {self.method}"

    @cached_property
    def json(self):
        return json.loads(self.body) if self.is_sqs else {}


def read_message(connection, *, without_body=False):
    """Read a whole message.

    :param without_body: it is the answer to HEAD, whose length is that of another.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    if EXPECT.search(head):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        head = EXPECT.sub(b"", head)
    length = LENGTH.search(head)
    while length and not without_body and len(body) < int(length[1]):
        body += receive(connection)
    return Message(head + b"\r\n\r\n", body)


def with_body(request, value):
    """*request* with the JSON of *value* as its body."""
    body = json.dumps(value).encode()
    return Message(LENGTH.sub(b"\r\nContent-Length: %d" % len(body), request.head), body)


def answer(status, content_type, body):
    """The bytes of an answer."""
    return b"HTTP/1.1 %d Answer\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        content_type.encode(),
        len(body),
        body,
    )


def without_length(whole, how):
    """The bytes of an answer that does not say its length, as the proxy's mode *how* has it."""
    head, _, body = whole.partition(b"\r\n\r\n")
    head = LENGTH.sub(b"", head)
    if how == "without length":
        return head + b"\r\n\r\n" + body
    half = len(body) // 2
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:])]
    end = b"0\r\n\r\n"
    sent = chunks[0] if how == "chunked and cut" else b"".join([*chunks, end])
    return head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + sent


def receive(connection):
    data = connection.recv(65536)
    if not data:
        raise Closed
    return data


def reset(connection):
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
