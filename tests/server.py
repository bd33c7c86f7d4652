"""A local SQS and S3 server (moto) that counts requests and can answer with faults."""

import io
import json
import logging
import threading
import time
from collections import Counter

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)


class QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *args, **kwargs):
        pass


class Server:
    """moto behind HTTP on 127.0.0.1, in threads of this process."""

    def __init__(self):
        self._app = DomainDispatcherApplication(create_backend_app)
        self._http = make_server(
            "127.0.0.1", 0, self._handle, threaded=True, request_handler=QuietHandler
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

    def start(self):
        self._thread.start()

    def stop(self):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def count(self, operation, queue):
        return self.requests[operation, queue]

    def _handle(self, environ, start_response):
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith("AmazonSQS."):
            return self._app(environ, start_response)
        operation = target.removeprefix("AmazonSQS.")
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        asked = json.loads(body)
        queue = asked.get("QueueName") or asked.get("QueueUrl", "").rsplit("/", 1)[-1]
        self.requests[operation, queue] += 1
        self.latest[operation, queue] = time.monotonic()
        if failing := self.failed_entries.get((operation, queue)):
            return self._fail_entries(environ, start_response, asked, failing.pop(0))
        fault = self.faults.get((operation, queue))
        if fault is None:
            return self._app(environ, start_response)
        status, code = fault
        answer = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": f"{code}!"})
        start_response(
            f"{status} Fault",
            [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(answer)))],
        )
        return [answer.encode()]

    def _fail_entries(self, environ, start_response, asked, failing):
        """Let some entries of a batch fail, and the real server do the others."""
        places = {place: (code, fault) for place, code, fault in failing}
        entries = asked["Entries"]
        asked["Entries"] = [e for place, e in enumerate(entries) if place not in places]
        answer = {"Successful": []}
        if asked["Entries"]:
            body = json.dumps(asked).encode()
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
            answer = json.loads(b"".join(self._app(environ, lambda *args: None)))
        answer["Failed"] = [
            {"Id": entries[place]["Id"], "Code": code, "Message": f"{code}!", "SenderFault": fault}
            for place, (code, fault) in places.items()
        ]
        text = json.dumps(answer).encode()
        headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Length", str(len(text))),
        ]
        start_response("200 OK", headers)
        return [text]
