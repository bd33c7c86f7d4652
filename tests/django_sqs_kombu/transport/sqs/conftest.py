"""Fixtures: a server that answers what it is told, and requests to it."""

import json
import re
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

JSON = "application/x-amz-json-1.0"
KEY = re.compile("Credential=(\\w+)/")
QUEUE_URL = "http://127.0.0.1/123456789012/orders"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing: the client no longer waits for the answer."""


class Scripted:
    """Stands in for SQS; what it has no answer for it answers with the URL of a queue.

    :ivar answers: by operation: bytes, what JSON can write, (status, either of these), or a
        function of what was asked that returns one of these.
    :ivar asked: what was asked, as (operation, parameters).
    :ivar roles: how many seconds the credentials of a role last, one for each time that a role
        is assumed; without any STS is broken.
    """

    def __init__(self, tls=None):
        self.answers = {}
        self.asked = []
        #: The access keys that requests were signed with.
        self.keys = []
        #: The headers of each request.
        self.headers = []
        self.content_type = JSON
        #: The id of each request, if it tells any, and how many seconds its clock is ahead.
        self.request_id = None
        self.ahead = 0
        #: Where each answer says that it is to be asked instead.
        self.location = None
        #: Whether connections are closed after each answer, without having said so.
        self.hangs_up = False
        #: The connections there are, each as its handler, and those on which nothing is answered.
        self.connections = set()
        self.silent = set()
        self._closing = threading.Event()
        self.roles = []
        self.assumed = 0
        self._http = _Server(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def counts(self):
        return Counter(operation for operation, _ in self.asked)

    def close(self):
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, operation, params):
        found = self.answers.get(operation, {"QueueUrl": QUEUE_URL})
        if callable(found):
            found = found(params)
        status, body = found if isinstance(found, tuple) else (200, found)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def assume_role(self):
        if not self.roles:
            error = "<Error><Code>ServiceUnavailable</Code><Message>Away</Message></Error>"
            return 503, f"<ErrorResponse>{error}</ErrorResponse>".encode()
        self.assumed += 1
        ends = datetime.now(timezone.utc) + timedelta(seconds=self.roles.pop(0))
        given = (
            f"<AccessKeyId>ROLE{self.assumed}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>t</SessionToken><Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        )
        result = f"<AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult>"
        return 200, f"<AssumeRoleResponse>{result}</AssumeRoleResponse>".encode()

    def _handler(scripted):  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                scripted.connections.add(self)

            def do_POST(self):
                if self in scripted.silent:
                    scripted._closing.wait()
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                target = self.headers["X-Amz-Target"]
                if target is None:
                    self._answer(*scripted.assume_role(), "text/xml")
                    return
                operation = target.removeprefix("AmazonSQS.")
                params = json.loads(asked)
                scripted.asked.append((operation, params))
                scripted.headers.append(self.headers)
                scripted.keys.append(KEY.search(self.headers["Authorization"])[1])
                self._answer(*scripted.answer(operation, params), scripted.content_type)

            def _answer(self, status, body, content_type):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                if scripted.request_id is not None:
                    self.send_header("x-amzn-RequestId", scripted.request_id)
                if scripted.location is not None:
                    self.send_header("Location", scripted.location)
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = self.close_connection or scripted.hangs_up

            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() + scripted.ahead)

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
