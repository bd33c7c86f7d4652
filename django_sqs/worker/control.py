"""ControlServer: the HTTP port of a running runreceiver: alive, ready, metrics, wake."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread

from ..access import has_bearer_token
from ..conf import conf
from .bounded_http import BoundedHTTPServer
from .gauges import Asker
from .readiness import Readiness
from .stats import OUTCOMES, SharedStats

logger = get_logger(__name__)

TEXT = "text/plain; charset=utf-8"
#: Counters of queues: their names, what they mean, and the fields of SharedStats.
COUNTERS = (
    (
        "django_sqs_messages_retried",
        "Messages tried again by a retry policy; included in those requeued.",
        "retried",
    ),
    (
        "django_sqs_messages_continued",
        "Messages sent again with a cursor, by Continue; included in those requeued.",
        "continued",
    ),
    (
        "django_sqs_messages_expired",
        "Messages deleted without being run, since they expired; included in those discarded.",
        "expired",
    ),
    (
        "django_sqs_messages_cancelled",
        "Messages deleted without being run, since they were cancelled; included in those "
        "discarded.",
        "cancelled",
    ),
    (
        "django_sqs_rate_limited",
        "Windows of a rate limit in which a process had to stop receiving although messages came.",
        "limited",
    ),
    ("django_sqs_breaker_tripped", "Times that breakers opened, or stayed open.", "tripped"),
)


class ControlServer:
    """Answers ``/healthz``, ``/readyz``, ``/metrics`` and ``/wake`` in a thread.

    ``/healthz`` is 200 as long as this process lives.  ``/readyz`` is 200 when the processes do
    their work, and 503 with the reason otherwise.
    ``/metrics`` is in Prometheus's text format (extra ``metrics``).  ``POST /wake``, with the
    token of SQS_VIEW_TOKEN, wakes the workers from the rests of idle queues.

    :param address: host and port; port 0: any.
    :param stats: what the processes count.
    :param readiness: whether the processes do their work.
    :raises OSError: the port is taken.
    """

    def __init__(self, address: tuple[str, int], stats: SharedStats, readiness: Readiness) -> None:
        self._stats = stats
        self._readiness = readiness
        self._asker = Asker()
        #: Wakes the workers.
        self.on_wake: Callable[[], None] = lambda: None
        self._http = BoundedHTTPServer(address, _handler(self))

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._http.server_address[:2]
        return f"http://[{host!s}]:{port}/" if ":" in str(host) else f"http://{host!s}:{port}/"

    def start(self) -> None:
        """Start answering."""
        start_thread(
            threading.Thread(target=self._http.serve_forever, name="sqs-control", daemon=True)
        )

    def stop(self) -> None:
        """Stop answering."""
        self._http.shutdown()
        self._http.server_close()

    def leave(self) -> None:
        """Close the port in a forked child, whose parent goes on to answer."""
        self._http.socket.close()

    def answer(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body for a GET of *path*."""
        if path == "/healthz":
            return 200, TEXT, "ok\n"
        if path == "/readyz":
            waiting = list(self._readiness.reasons())
            body = json.dumps({"ready": not waiting, "reasons": waiting}) + "\n"
            return (503 if waiting else 200), "application/json", body
        if path == "/metrics":
            return self._metrics()
        return 404, TEXT, "There are /healthz, /readyz, /metrics, and /wake (POST).\n"

    def answer_post(self, path: str, authorization: str) -> tuple[int, str, str]:
        """Status, content type and body for a POST to *path*."""
        if path != "/wake":
            return 404, TEXT, "There is only /wake to POST to.\n"
        if not has_bearer_token(authorization, conf.view_token):
            return 401, TEXT, "Send the token of SQS_VIEW_TOKEN as a bearer token.\n"
        self.on_wake()
        return 202, TEXT, "Woken.\n"

    def _metrics(self) -> tuple[int, str, str]:
        try:
            from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        except ImportError:
            return 501, TEXT, "Metrics need the extra: pip install 'django-sqs[metrics]'\n"
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return 200, CONTENT_TYPE_LATEST, generate_latest(registry).decode()

    def collect(self) -> Iterator[Any]:
        """The metrics; prometheus-client calls this."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        stats = self._stats
        received = CounterMetricFamily(
            "django_sqs_messages_received", "Messages received.", labels=["queue"]
        )
        settled = CounterMetricFamily(
            "django_sqs_messages_settled",
            "Messages by what became of them.",
            labels=["queue", "outcome"],
        )
        seconds = CounterMetricFamily(
            "django_sqs_receiver_seconds", "Seconds that receivers ran.", labels=["queue"]
        )
        running = GaugeMetricFamily(
            "django_sqs_receivers_running", "Receivers that run now.", labels=["queue"]
        )
        waited = GaugeMetricFamily(
            "django_sqs_message_wait_seconds",
            "How long the latest message waited for its receiver, since it was sent; 0 if no "
            "message came for a minute.",
            labels=["queue"],
        )
        paused = GaugeMetricFamily(
            "django_sqs_queue_paused",
            "Processes for which the queue is paused.",
            labels=["queue"],
        )
        others = [
            (CounterMetricFamily(name, meaning, labels=["queue"]), field)
            for name, meaning, field in COUNTERS
        ]
        broken = GaugeMetricFamily(
            "django_sqs_breaker_open", "Processes whose breaker is open.", labels=["queue"]
        )
        for queue in stats.queues:
            for counter, field in others:
                counter.add_metric([queue], stats.total(queue, field))
            broken.add_metric([queue], stats.total(queue, "open"))
            paused.add_metric([queue], stats.total(queue, "paused"))
            waited.add_metric([queue], stats.waited(queue))
            received.add_metric([queue], stats.total(queue, "received"))
            seconds.add_metric([queue], stats.total(queue, "seconds"))
            running.add_metric([queue], stats.total(queue, "running"))
            for outcome in OUTCOMES:
                settled.add_metric([queue, outcome], stats.total(queue, outcome))
        ready = GaugeMetricFamily(
            "django_sqs_ready",
            "Whether every queue is polled.",
            value=not any(self._readiness.reasons()),
        )
        yield from (received, settled, seconds, running, waited, paused, broken, ready)
        yield from (counter for counter, _ in others)
        for gauge in self._asker.gauges():
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
            for labels, value in gauge.values.items():
                family.add_metric(labels, value)
            yield family


def _handler(control: ControlServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            self._answer(*control.answer(self.path.partition("?")[0]))

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            authorization = self.headers.get("Authorization", "")
            # What comes with it is of no use, and not read.
            self.close_connection = True
            self._answer(*control.answer_post(self.path.partition("?")[0], authorization))

        def _answer(self, status: int, content_type: str, body: str) -> None:
            data = body.encode()
            headers: Mapping[str, str] = {
                "Content-Type": content_type,
                "Content-Length": str(len(data)),
                "Cache-Control": "no-store",
            }
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base's
            logger.debug(format, *args)

    return Handler
