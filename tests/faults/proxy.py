"""FaultProxy: stands before the server and breaks what passes through it, as told."""

import contextlib
import json
import select
import socket
import threading
import time
from collections import Counter

from ..limits import Limits
from .exchange import Closed, answer, read_message, reset, with_body, without_length

#: Faults that a server answers: (status, error code).
ANSWERS = {
    "throttled": (400, "ThrottlingException"),
    "KMS throttled": (400, "KmsThrottled"),
    "error 500": (500, "InternalFailure"),
    "error 503": (503, "ServiceUnavailable"),
    "token expired": (403, "ExpiredToken"),
    "clock skew": (403, "RequestExpired"),
}
#: What is no answer of SQS's, though its status is 200: (content type, body).
GARBAGE = {
    "empty object": ("application/x-amz-json-1.0", b"{}"),
    "list": ("application/x-amz-json-1.0", b"[]"),
    "HTML": ("text/html", b"<html><body>Sign in to the network</body></html>"),
}
#: What S3 answers to whom it denies access.
DENIED = (
    403,
    "application/xml",
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
)
#: What a proxy before S3 answers by itself: (status, content type, body).
STRANGE = {
    "no content": (204, "text/plain", b""),
    "empty": (200, "text/plain", b""),
    "not found": (404, "text/html", b"<html><body>Not found</body></html>"),
}
#: Faults of every second entry of a batch: (error code, the sender's fault).
PARTIAL = {
    "half failed": ("InternalError", False),
    "half throttled": ("KmsThrottled", True),
}
#: Faults of the connection.  ``"down"``: connections are broken off at once.  ``"reset"``: each
#: request is answered by a reset.  ``"hung"``: requests are swallowed.  ``"cut"``: half of the
#: answer comes.  ``"stalled"``: answers come :attr:`FaultProxy.late` seconds late.
BROKEN = ("down", "reset", "hung", "cut", "stalled")
#: Answers that do not say how long they are: in chunks, in chunks and cut, and to the
#: connection's end.
LENGTHLESS = ("chunked", "chunked and cut", "without length")
#: The server gets the request, and the connection is reset before its answer.
TAKEN = "taken"
MODES = (*ANSWERS, *GARBAGE, *STRANGE, *PARTIAL, *BROKEN, *LENGTHLESS, TAKEN, "S3 denied")


class FaultProxy:
    """A proxy on 127.0.0.1 in threads of this process.

    Like most proxies it goes on with a request whose client is gone, so that a poll that was
    broken off may still take messages.  What SQS would refuse and emulators take is refused,
    see :class:`~tests.limits.Limits`.

    :ivar mode: ``None``: all passes; else one of :data:`MODES`.
    :ivar only: the operations that *mode* is for; empty: all.  Those of S3 are ``"S3 PUT"``
        and the like.
    :ivar late: seconds that the answers of ``"stalled"`` are late.
    :ivar tried: connections and requests that came while a mode was set.
    :ivar requests: how many came, by operation.
    :ivar denied: names of queues that nothing may be sent to.
    :ivar violations: of requests beyond SQS's limits, (operation, reason).
    """

    def __init__(self, upstream_port):
        self._upstream_port = upstream_port
        self.mode = None
        self.only = ()
        self.late = 5.0
        self.tried = 0
        self.requests = Counter()
        self.denied = set()
        self.limits = Limits()
        self._seconds = None
        self._count = None
        self._began = None
        self._lock = threading.Lock()
        self._connections = set()
        self._listener = None
        self.port = 0
        self._listen()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def violations(self):
        return self.limits.violations

    def set(self, mode, *only, seconds=None, count=None, late=5.0):
        """Break things as *mode* says from now on.

        :param only: the operations to break; none: all.
        :param seconds: end so long after the first request that was broken.
        :param count: end after so many requests that were broken.
        :param late: see :attr:`late`.
        """
        if mode not in MODES:
            raise ValueError(mode)
        with self._lock:
            self.tried = 0
            self.only, self.late = only, late
            self._seconds, self._count, self._began = seconds, count, None
            self.mode = mode
        if mode == "down":
            for connection in list(self._connections):
                reset(connection)

    def heal(self):
        """Pass all again; what hung stays so."""
        self.mode = None

    def stop(self):
        # Closing alone would not end an accept() in another thread.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            reset(connection)

    def _listen(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                if self.mode == "down" and self._strikes("connection"):
                    reset(connection)
                    connection.close()
                    continue
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _strikes(self, operation):
        """The fault of a request of *operation* that comes now, or None."""
        with self._lock:
            if self.mode is None or (self.only and operation not in self.only):
                return None
            now = time.monotonic()
            if self._began is None:
                self._began = now
            over = self._seconds is not None and now - self._began > self._seconds
            if over or self._count == 0:
                self.mode = None
                return None
            if self._count is not None:
                self._count -= 1
            self.tried += 1
            return self.mode

    def _serve(self, client):
        self._connections.add(client)
        upstream = None
        try:
            while True:
                request = read_message(client)
                self.requests[request.operation] += 1
                mode = self._strikes(request.operation)
                if mode in ("reset", "down"):
                    return reset(client)
                if mode == "hung":
                    return wait_until_gone(client)
                if own := self._own_answer(mode, request):
                    client.sendall(own)
                    continue
                if upstream is None:
                    upstream = socket.create_connection(("127.0.0.1", self._upstream_port))
                found = self._ask(upstream, request, PARTIAL.get(mode))
                if mode == "stalled":
                    time.sleep(self.late)
                if mode == TAKEN:
                    return reset(client)
                if mode == "cut":
                    client.sendall(found[: len(found) // 2])
                    return None
                if mode in LENGTHLESS:
                    client.sendall(without_length(found, mode))
                    return None
                client.sendall(found)
        except (Closed, OSError):
            return None
        finally:
            self._connections.discard(client)
            for side in (client, upstream):
                if side is not None:
                    side.close()

    def _own_answer(self, mode, request):
        """What the proxy answers in the server's place, if it does."""
        if mode in ANSWERS:
            return fault(*ANSWERS[mode])
        if mode in GARBAGE:
            return answer(200, *GARBAGE[mode])
        if mode in STRANGE:
            return answer(*STRANGE[mode])
        if mode == "S3 denied":
            return answer(*DENIED)
        if self.denied and mode != TAKEN and request.operation.startswith("SendMessage"):
            queue = request.json.get("QueueUrl", "").rpartition("/")[2]
            if queue in self.denied:
                return fault(403, "AccessDenied")
        if request.is_sqs and (beyond := self.limits.refuse(request.operation, request.json)):
            return fault(400, *beyond)
        return None

    def _ask(self, upstream, request, partial):
        """The server's answer, to all of the request or to the entries that do not fail."""
        failed = []
        if partial is not None and "Entries" in request.json:
            entries = request.json["Entries"]
            failed = [failure(entry, *partial) for entry in entries[::2]]
            rest = entries[1::2]
            if not rest:
                return answered({"Successful": [], "Failed": failed})
            request = with_body(request, {**request.json, "Entries": rest})
        upstream.sendall(request.head + request.body)
        reply = read_message(upstream, without_body=request.method == "HEAD")
        if request.operation == "ReceiveMessage":
            self.limits.note_answer(reply.body)
        if failed:
            found = json.loads(reply.body)
            return answered({**found, "Failed": [*found.get("Failed", []), *failed]})
        return reply.head + reply.body


def wait_until_gone(connection):
    """Return when the other side closes *connection*, an hour from now at the latest."""
    # Not select(), which takes no numbers beyond 1,023, and hundreds of cells have as many.
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    if waiting.poll(3_600_000):
        connection.recv(1, socket.MSG_PEEK)


def failure(entry, code, senders_fault):
    return {
        "Id": entry["Id"],
        "Code": code,
        "Message": f"{code}!",
        "SenderFault": senders_fault,
    }


def fault(status, code, text=None):
    return answered({"__type": f"com.amazonaws.sqs#{code}", "message": text or f"{code}!"}, status)


def answered(value, status=200):
    return answer(status, "application/x-amz-json-1.0", json.dumps(value).encode())
