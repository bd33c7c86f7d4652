"""LocalFront: stands before moto, and answers polls as SQS does.

moto's own polls go on when their client is gone, as that of a worker that was started again, and
hide what is sent next; two at once may bring one message twice.
"""

from __future__ import annotations

import io
import json
import math
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

#: A WSGI application.
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Seconds between two looks of a poll at its queue, if no other request comes: then only time
#: makes a message visible.
LOOK = 0.25
#: Seconds that SQS lets a poll wait at most.
LONGEST = 20
#: What changes the definition of a queue.
DEFINING = frozenset(
    {
        "AddPermission",
        "CreateQueue",
        "DeleteQueue",
        "RemovePermission",
        "SetQueueAttributes",
        "TagQueue",
        "UntagQueue",
    }
)
_TARGET = "AmazonSQS."
_KIND = "application/x-amz-json-1.0"


class LocalFront:
    """A WSGI application around moto's.

    A request that moto does not implement is answered with UnsupportedOperation; moto itself
    shows a traceback, and an answer that looks like a failing server, which is asked again.

    :param app: moto's.
    :ivar has_redefined: whether the definition of a queue may have changed; others set it back.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.has_redefined = True
        # moto's queues are not made for several threads: who asks moto holds it. Polls wait for it.
        self._asking = threading.Condition()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer a request."""
        target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
        if not target.startswith(_TARGET):
            return list(self._app(environ, start_response))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        asked = environ["wsgi.input"].read(length)
        operation = target.removeprefix(_TARGET)
        if operation == "ReceiveMessage":
            answer = self._poll(environ, asked)
        else:
            answer = self._ask(environ, asked)
            if operation in DEFINING:
                self.has_redefined = True
        return answer.give(start_response)

    def _poll(self, environ: dict[str, Any], asked: bytes) -> _Answer:
        try:
            wanted = json.loads(asked)
            wait = float(wanted.get("WaitTimeSeconds") or 0)
            queue = str(wanted.get("QueueUrl", "")).rpartition("/")[2]
        except (AttributeError, TypeError, ValueError):
            wait = math.inf
        if not 0 <= wait <= LONGEST:
            # moto says what is wrong with it.
            return self._ask(environ, asked)
        deadline = time.monotonic() + wait
        once = json.dumps({**wanted, "WaitTimeSeconds": 0}).encode()
        while True:
            # Whether there is something is seen again when it is one's turn: of many polls that a
            # send wakes, the first takes it.
            with self._asking:
                over = time.monotonic() >= deadline
                if over or _may_have_messages(queue):
                    answer = self._ask(environ, once, polls=True)
                    if over or answer.ends_poll:
                        return answer
                self._asking.wait(min(LOOK, max(0.0, deadline - time.monotonic())))

    def _ask(self, environ: dict[str, Any], asked: bytes, *, polls: bool = False) -> _Answer:
        environ = {
            **environ,
            "wsgi.input": io.BytesIO(asked),
            "CONTENT_LENGTH": str(len(asked)),
        }
        answer = _Answer()
        with self._asking:
            if polls and _client_is_gone(environ):
                return answer.say("500 Nobody Waits", {})
            try:
                answer.body = b"".join(self._app(environ, answer.start))
            except NotImplementedError as exc:
                error = {"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": str(exc)}
                answer.say("400 Bad Request", error)
            if not polls:
                self._asking.notify_all()
        return answer


class _Answer:
    """What is answered, before the client is told."""

    def __init__(self) -> None:
        self.body = b""
        self._status = ""
        self._headers: list[tuple[str, str]] = []

    @property
    def ends_poll(self) -> bool:
        """Whether it is an error, or has messages."""
        return not self._status.startswith("200") or bool(json.loads(self.body).get("Messages"))

    def start(self, status: str, headers: list[tuple[str, str]], *args: Any) -> None:
        """Take moto's status: WSGI's start_response."""
        self._status, self._headers = status, headers

    def say(self, status: str, value: object) -> _Answer:
        """Answer with *value*, as JSON."""
        self.start(status, [("Content-Type", _KIND)])
        self.body = json.dumps(value).encode()
        return self

    def give(self, start_response: Callable[..., Any]) -> list[bytes]:
        """Tell the client."""
        start_response(self._status, self._headers)
        return [self.body]


def _may_have_messages(queue: str) -> bool:
    """Whether moto would find something; cheaper than to ask.  Of an unknown queue: yes."""
    from moto.sqs.models import sqs_backends

    found = [
        backend.queues[queue]
        for regions in list(sqs_backends.values())
        for backend in list(regions.values())
        if queue in backend.queues
    ]
    return not found or any(each.messages for each in found)


def _client_is_gone(environ: dict[str, Any]) -> bool:
    connection = environ.get("werkzeug.socket")
    if connection is None:
        return False
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
