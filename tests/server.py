"""A local SQS and S3 server (moto) that counts requests and can answer with faults.

Receives at the same time never get one message twice, as SQS has it, and SQS's limits hold
(see :mod:`tests.limits`).  Whether a poll whose client is gone may still take messages nobody
promises, so it can do both: it notices, or, for the queues in :attr:`Server.keeps_polls`, not.

As a program, ``python -m tests.server PORT``, it serves until it is ended.
"""

import contextlib
import io
import json
import logging
import select
import socket
import sys
import threading
import time
from collections import Counter

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import Queue, sqs_backends
from werkzeug.serving import WSGIRequestHandler, make_server

from .limits import Limits

logging.getLogger("werkzeug").setLevel(logging.ERROR)


#: Seconds that a message is hidden at most, none of which a test sees pass.
LONG_HIDDEN = 42_000


def groups_in_flight(queue):
    """The message groups of which no message is handed out now.

    moto counts messages whose time is over until it comes to them, and so hands out the last
    of a group whose messages were received together first.
    """
    return {
        message.group_id
        for message in list(queue._pending_messages)
        if message.group_id is not None and not message.visible
    }


Queue.pending_message_groups = property(groups_in_flight)


def has_visible(queue):
    """Whether a receive might find something; cheaper than to ask.  Unknown queues: yes."""
    found = [
        backend.queues[queue]
        for regions in list(sqs_backends.values())
        for backend in list(regions.values())
        if queue in backend.queues
    ]
    return not found or any(each.messages for each in found)


def client_is_gone(environ):
    connection = environ["werkzeug.socket"]
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""


class QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *args, **kwargs):
        pass

    def run_wsgi(self):
        with contextlib.suppress(ConnectionAbortedError):
            super().run_wsgi()


class Server:
    """moto behind HTTP on 127.0.0.1, in threads of this process.

    All servers of a process have the same queues.
    """

    def __init__(self, port=0):
        self._app = DomainDispatcherApplication(create_backend_app)
        self._http = make_server(
            "127.0.0.1", port, self._handle, threaded=True, request_handler=QuietHandler
        )
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        #: How many requests came, by (operation, queue name).
        self.requests = Counter()
        #: When the latest came, on the monotonic clock.
        self.latest = {}
        #: (operation, queue name) -> (HTTP status, error code), answered until removed.
        self.faults = {}
        #: (operation, queue name) -> [(entry's place, error code, sender's fault)], each list
        #: used for one batch request.
        self.failed_entries = {}
        #: (operation, queue name) -> the answer, for what the server cannot do.
        self.answers = {}
        #: Names of queues whose polls go on, and take messages, when their client is gone.
        self.keeps_polls = set()
        self.limits = Limits()
        #: The name of a bucket about which S3 answers 503.
        self.broken_bucket = None
        # moto's queues are not made for several threads.
        self._one_at_a_time = threading.Lock()

    def start(self):
        self._thread.start()

    def serve(self):
        """Serve in this thread, for ever."""
        self._http.serve_forever()

    def stop(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @contextlib.contextmanager
    def refusing(self, operation, queue):
        """Answer that access is denied, in the block."""
        self.faults[operation, queue] = (403, "AccessDenied")
        try:
            yield
        finally:
            del self.faults[operation, queue]

    def count(self, operation, queue):
        return self.requests[operation, queue]

    def _handle(self, environ, start_response):
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith("AmazonSQS."):
            if self.broken_bucket and self.broken_bucket in environ["PATH_INFO"]:
                length = int(environ.get("CONTENT_LENGTH") or 0)
                environ["wsgi.input"].read(length)
                start_response("503 Slow Down", [("Content-Length", "0")])
                return [b""]
            return self._app(environ, start_response)
        operation = target.removeprefix("AmazonSQS.")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        if len(body) < length:
            raise ConnectionAbortedError("the client was ended amid its request")
        asked = json.loads(body)
        queue = asked.get("QueueName") or asked.get("QueueUrl", "").rsplit("/", 1)[-1]
        queue = queue or asked.get("SourceArn", "").rsplit(":", 1)[-1]
        self.requests[operation, queue] += 1
        self.latest[operation, queue] = time.monotonic()
        if failing := self.failed_entries.get((operation, queue)):
            return self._fail_entries(environ, start_response, asked, failing.pop(0))
        if (operation, queue) in self.answers:
            answer = self.answers[operation, queue]
            answer = answer(asked) if callable(answer) else answer
            return self._json(start_response, "200 OK", answer)
        fault = self.faults.get((operation, queue))
        if fault is None:
            if (beyond := self.limits.refuse(operation, asked)) is not None:
                return self._fail(start_response, 400, *beyond)
            if operation == "ReceiveMessage":
                return self._receive(environ, start_response, asked, queue)
            for entry in asked.get("Entries", [asked]):
                if "VisibilityTimeout" in entry:
                    # moto counts its 12 hours from the sending.
                    entry["VisibilityTimeout"] = min(entry["VisibilityTimeout"], LONG_HIDDEN)
            return self._ask(environ, start_response, asked)
        return self._fail(start_response, *fault)

    def _fail(self, start_response, status, code, text=None):
        answer = {"__type": f"com.amazonaws.sqs#{code}", "message": text or f"{code}!"}
        return self._json(start_response, f"{status} Fault", answer)

    def _json(self, start_response, status, answer):
        text = json.dumps(answer).encode()
        headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Length", str(len(text))),
        ]
        start_response(status, headers)
        return [text]

    def _ask(self, environ, start_response, asked, *, notice=False):
        body = json.dumps(asked).encode()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        with self._one_at_a_time:
            if notice and client_is_gone(environ):
                raise ConnectionAbortedError("nobody waits for this poll any more")
            return [b"".join(self._app(environ, start_response))]

    def _receive(self, environ, start_response, asked, queue):
        deadline = time.monotonic() + asked.get("WaitTimeSeconds", 0)
        asked["WaitTimeSeconds"] = 0
        while True:
            over = time.monotonic() >= deadline
            if over or has_visible(queue):
                started = []
                answer = self._ask(
                    environ,
                    lambda *args, to=started: to.append(args),
                    asked,
                    notice=queue not in self.keeps_polls,
                )
                found = json.loads(answer[0]).get("Messages")
                if found:
                    self.limits.note_received(found)
                if found or over or not started[0][0].startswith("200"):
                    start_response(*started[0])
                    return answer
            time.sleep(0.02)

    def _fail_entries(self, environ, start_response, asked, failing):
        """Let some entries of a batch fail, and the real server do the others."""
        places = {place: (code, fault) for place, code, fault in failing}
        entries = asked["Entries"]
        asked["Entries"] = [e for place, e in enumerate(entries) if place not in places]
        answer = {"Successful": []}
        if asked["Entries"]:
            answer = json.loads(self._ask(environ, lambda *args: None, asked)[0])
        answer["Failed"] = [
            {"Id": entries[place]["Id"], "Code": code, "Message": f"{code}!", "SenderFault": fault}
            for place, (code, fault) in places.items()
        ]
        return self._json(start_response, "200 OK", answer)


if __name__ == "__main__":
    Server(int(sys.argv[1])).serve()
