"""FaultProxy: stands before the server and breaks what passes through it, as told."""

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TARGET = re.compile(rb"\r\nx-amz-target: *AmazonSQS\.(\w+)", re.IGNORECASE)
#: Faults that the server itself answers: (status, error code).
ANSWERS = {
    "throttled": (400, "ThrottlingException"),
    "error 500": (500, "InternalFailure"),
    "error 503": (503, "ServiceUnavailable"),
    "token expired": (403, "ExpiredToken"),
    "clock skew": (403, "RequestExpired"),
}


class Closed(Exception):
    """The other side closed the connection."""


class FaultProxy:
    """A proxy on 127.0.0.1 in threads of this process.

    :ivar mode: ``None``: all passes.  ``"down"``: connections are broken off at
        once.  ``"reset"``: each
        request is answered by a reset.  ``"hung"``: requests are swallowed.  ``"cut"``: half of
        the answer comes.  ``"stalled"``: answers take 5 s longer.  Or one of :data:`ANSWERS`.
    :ivar only: the operations that *mode* is for; empty: all.
    :ivar tried: connections and requests that came while a mode was set.
    """

    def __init__(self, upstream_port):
        self._upstream_port = upstream_port
        self.mode = None
        self.only = ()
        self.tried = 0
        self.requests = Counter()
        self._connections = set()
        self._listener = None
        self.port = 0
        self._listen()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def set(self, mode, *only):
        """Break things as *mode* says from now on."""
        self.tried = 0
        self.only = only
        self.mode = mode
        if mode == "down":
            for connection in list(self._connections):
                reset(connection)

    def heal(self):
        """Pass all again; what hung stays so."""
        self.mode = None

    def stop(self):
        self._close_listener()
        for connection in list(self._connections):
            reset(connection)

    def _listen(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _close_listener(self):
        # Closing alone would not end an accept() in another thread.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                if self.mode == "down":
                    self.tried += 1
                    reset(connection)
                    connection.close()
                    continue
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        self._connections.add(client)
        upstream = None
        try:
            while True:
                head, body = read_message(client)
                found = TARGET.search(head)
                operation = found[1].decode() if found else "other"
                self.requests[operation] += 1
                mode = self.mode if not self.only or operation in self.only else None
                if mode:
                    self.tried += 1
                if mode in ("reset", "down"):
                    return reset(client)
                if mode == "hung":
                    time.sleep(3600)
                if mode in ANSWERS:
                    client.sendall(fault(*ANSWERS[mode]))
                    continue
                if upstream is None:
                    upstream = socket.create_connection(("127.0.0.1", self._upstream_port))
                upstream.sendall(head + body)
                answer = b"".join(read_message(upstream))
                if mode == "stalled":
                    time.sleep(5)
                if mode == "cut":
                    client.sendall(answer[: len(answer) // 2])
                    return None
                client.sendall(answer)
        except (Closed, OSError):
            return None
        finally:
            self._connections.discard(client)
            for side in (client, upstream):
                if side is not None:
                    side.close()


def read_message(connection):
    """A whole HTTP message, as its head and its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    head += b"\r\n\r\n"
    length = LENGTH.search(head)
    while length and len(body) < int(length[1]):
        body += receive(connection)
    return head, body


def receive(connection):
    data = connection.recv(65536)
    if not data:
        raise Closed
    return data


def reset(connection):
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)


def fault(status, code):
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": f"{code}!"}).encode()
    return (
        b"HTTP/1.1 %d Fault\r\nContent-Type: application/x-amz-json-1.0\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (status, len(body), body)
    )
