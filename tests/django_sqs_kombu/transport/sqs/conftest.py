"""Fixtures: a server that answers what it is told, and requests to it."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

JSON = "application/x-amz-json-1.0"
QUEUE_URL = "http://127.0.0.1/123456789012/orders"


class Scripted:
    """Stands in for SQS; what it has no answer for it answers with the URL of a queue.

    :ivar answers: by operation: bytes, what JSON can write, (status, either of these), or a
        function of what was asked that returns one of these.
    :ivar asked: what was asked, as (operation, parameters).
    """

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.content_type = JSON
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def counts(self):
        return Counter(operation for operation, _ in self.asked)

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, operation, params):
        found = self.answers.get(operation, {"QueueUrl": QUEUE_URL})
        if callable(found):
            found = found(params)
        status, body = found if isinstance(found, tuple) else (200, found)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def _handler(scripted):  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                operation = self.headers["X-Amz-Target"].removeprefix("AmazonSQS.")
                params = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                scripted.asked.append((operation, params))
                status, body = scripted.answer(operation, params)
                self.send_response(status)
                self.send_header("Content-Type", scripted.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        return Handler


@pytest.fixture
def scripted():
    scripted = Scripted()
    yield scripted
    scripted.close()


@pytest.fixture
def account(scripted):
    options = {"region": "us-east-1", "client-config": {"retries": {"total_max_attempts": 1}}}
    return Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)


@pytest.fixture
def requests(account):
    return Requests(account)
