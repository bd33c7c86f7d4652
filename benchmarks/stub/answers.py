"""Answers: bytes of HTTP/1.1, made once where they can be."""

import json

_HEAD = (
    b"HTTP/1.1 %b\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"x-amzn-RequestId: 00000000-0000-4000-8000-000000000000\r\n%bContent-Length: %d\r\n\r\n"
)
_encode = json.JSONEncoder(separators=(",", ":")).encode


def ok(body):
    """The answer with these bytes of JSON."""
    return _HEAD % (b"200 OK", b"", len(body)) + body


def encoded(value):
    """*value* as bytes of JSON."""
    return _encode(value).encode()


class Refused(Exception):
    """A request is answered with an error.

    :param code: as the JSON protocol names it.
    :param query_code: the same in the older protocol's words, which clients look for.
    """

    def __init__(self, code, query_code=None):
        super().__init__(code)
        self.code = code
        self.query_code = query_code or code

    def answer(self):
        body = encoded({"__type": f"com.amazonaws.sqs#{self.code}", "message": self.code})
        header = f"x-amzn-query-error: {self.query_code};Sender\r\n".encode()
        return _HEAD % (b"400 Bad Request", header, len(body)) + body


def no_queue():
    return Refused("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")


NOTHING = ok(b"{}")
