"""OpenTelemetry: spans for what is sent and received, linked across the queue, and metrics.

It follows the semantic conventions for messaging.  The context travels in the message attributes
``traceparent`` and ``tracestate`` (W3C Trace Context), which leaves room for eight others.
Needs the extra ``otel``; spans and metrics go where the application's
OpenTelemetry SDK sends them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider, UpDownCounter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .exceptions import RestartLater, kind_of
from .messages.base import Delivery
from .printable import text_of
from .transport.sqs.forks import renew_after_fork
from .transport.sqs.pauses import Pause
from .working.breaker import Trip
from .working.middleware import Middleware, NamedQueue, Sending, Settlement

SYSTEM = "aws_sqs"
_PROPAGATOR = TraceContextTextMapPropagator()


class OpenTelemetry(Middleware):
    """Makes a span ``send QUEUE`` and a span ``process QUEUE``, the second linked to the first.

    Metrics: ``messaging.client.sent.messages``, ``messaging.client.operation.duration``,
    ``messaging.client.consumed.messages`` and ``messaging.process.duration``, and, where the
    conventions have no name: ``django_sqs.settled.messages``, by what was done
    (``messaging.operation.name``) and ``error.type``; ``django_sqs.paused.queues`` and
    ``django_sqs.open.breakers``, the current numbers of those;
    ``django_sqs.tripped.breakers`` and ``django_sqs.limited.windows``.

    :param tracer_provider: default: the global one.
    :param meter_provider: default: the global one.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._providers = tracer_provider, meter_provider
        self._tracer = trace.get_tracer("django_sqs_kombu", tracer_provider=tracer_provider)
        meter = metrics.get_meter("django_sqs_kombu", meter_provider=meter_provider)
        self._sent = meter.create_counter(
            "messaging.client.sent.messages", "{message}", "Messages that SQS accepted."
        )
        self._operation_duration = meter.create_histogram(
            "messaging.client.operation.duration", "s", "How long sending took."
        )
        self._consumed = meter.create_counter(
            "messaging.client.consumed.messages", "{message}", "Messages handed to receivers."
        )
        self._process_duration = meter.create_histogram(
            "messaging.process.duration", "s", "How long receivers ran."
        )
        self._settled = meter.create_counter(
            "django_sqs.settled.messages", "{message}", "Messages by what became of them."
        )
        self._tripped = meter.create_counter(
            "django_sqs.tripped.breakers", "{breaker}", "Breakers that opened, or stayed open."
        )
        self._limited = meter.create_counter(
            "django_sqs.limited.windows",
            "{window}",
            "Windows in which a rate limit let no more messages through.",
        )
        self._paused = _Now(
            meter.create_up_down_counter(
                "django_sqs.paused.queues", "{queue}", "Queues that are paused."
            )
        )
        self._open = _Now(
            meter.create_up_down_counter(
                "django_sqs.open.breakers", "{breaker}", "Breakers that are open."
            )
        )

    @contextmanager
    def sending(self, sending: Sending) -> Iterator[None]:
        """A producer's span, whose context the messages carry."""
        facts = _facts(sending.full_name, "send")
        started = time.monotonic()
        name = f"send {sending.full_name}"
        try:
            with self._tracer.start_as_current_span(
                name, kind=SpanKind.PRODUCER, attributes=facts
            ) as span:
                _PROPAGATOR.inject(sending.attributes)
                yield
                if sending.count is not None and sending.count != 1:
                    span.set_attribute("messaging.batch.message_count", sending.count)
                if sending.message_id is not None:
                    span.set_attribute("messaging.message.id", sending.message_id)
        except Exception as exc:
            facts["error.type"] = type(exc).__qualname__
            raise
        else:
            self._sent.add(sending.count or 0, facts)
        finally:
            self._operation_duration.record(time.monotonic() - started, facts)

    @contextmanager
    def receiving(self, registered: NamedQueue, delivery: Delivery) -> Iterator[None]:
        """A consumer's span, linked to the producer's."""
        facts = _facts(delivery.queue, "process")
        self._consumed.add(1, facts)
        about = {
            **facts,
            "messaging.message.id": delivery.message_id,
            "messaging.aws_sqs.receive_count": delivery.receive_count,
        }
        started = time.monotonic()
        try:
            # A root of its own: a message may be received long after it was sent, and often.
            with self._tracer.start_as_current_span(
                f"process {delivery.queue}",
                context=Context(),
                kind=SpanKind.CONSUMER,
                attributes=about,
                links=_links(delivery),
                set_status_on_exception=False,
                record_exception=False,
            ) as span:
                try:
                    yield
                except RestartLater:
                    raise
                except BaseException as exc:
                    facts["error.type"] = type(exc).__qualname__
                    span.set_attribute("error.type", type(exc).__qualname__)
                    # The SDK asks for its text, too, which may be what fails.
                    with suppress(Exception):
                        span.record_exception(exc)
                    span.set_status(Status(StatusCode.ERROR, text_of(exc)))
                    raise
        finally:
            self._process_duration.record(time.monotonic() - started, facts)

    def settled(self, settlement: Settlement) -> None:
        """A count, and a span for the settlement, linked to the producer's."""
        delivery = settlement.delivery
        facts = _facts(delivery.queue, "settle", settlement.operation)
        if settlement.raised is not None:
            facts["error.type"] = kind_of(settlement.raised).__qualname__
        self._settled.add(1, facts)
        if settlement.action is None:
            return
        self._tracer.start_span(
            f"settle {delivery.queue}",
            context=Context(),
            kind=SpanKind.CLIENT,
            attributes={
                **_facts(delivery.queue, "settle", settlement.action.name.lower()),
                "messaging.message.id": delivery.message_id,
            },
            links=_links(delivery),
        ).end()

    def paused(self, registered: NamedQueue, pause: Pause | None) -> None:
        """One more queue is paused, or one fewer."""
        self._paused.note(registered.full_name(), pause is not None)

    def tripped(self, registered: NamedQueue, full_name: str, trip: Trip | None) -> None:
        """One more breaker is open, or one fewer."""
        self._open.note(full_name, trip is not None)
        if trip is not None:
            self._tripped.add(1, _queue(full_name))

    def limited(self, registered: NamedQueue, full_name: str) -> None:
        """Count it."""
        self._limited.add(1, _queue(full_name))

    def resting(self, seconds: float) -> None:
        """Have spans and metrics exported that the SDK has collected."""
        ends_at = time.monotonic() + seconds
        tracers, meters = self._providers
        for provider in (
            tracers or trace.get_tracer_provider(),
            meters or metrics.get_meter_provider(),
        ):
            # The API alone has none.
            flush = getattr(provider, "force_flush", None)
            left = ends_at - time.monotonic()
            if flush is not None and left > 0:
                flush(timeout_millis=int(left * 1_000))


class _Now:
    """How many queues something is said of now; what is said twice counts once."""

    def __init__(self, counter: UpDownCounter) -> None:
        self._counter = counter
        self.renew_after_fork()
        renew_after_fork(self)

    def renew_after_fork(self) -> None:
        """Forget, in a forked child, what its parent has said."""
        self._lock = threading.Lock()
        self._queues: set[str] = set()

    def note(self, queue: str, is_so: bool) -> None:
        with self._lock:
            if (queue in self._queues) is is_so:
                return
            (self._queues.add if is_so else self._queues.discard)(queue)
        self._counter.add(1 if is_so else -1, _queue(queue))


def _queue(name: str) -> dict[str, Any]:
    return {"messaging.system": SYSTEM, "messaging.destination.name": name}


def _facts(queue: str, kind: str, name: str | None = None) -> dict[str, Any]:
    return {
        **_queue(queue),
        "messaging.operation.type": kind,
        "messaging.operation.name": name or kind,
    }


def _links(delivery: Delivery) -> list[Link]:
    attributes = delivery.sqs_message.get("MessageAttributes") or {}
    carrier = {
        name: str((attributes.get(name) or {}).get("StringValue") or "")
        for name in ("traceparent", "tracestate")
    }
    producer = trace.get_current_span(_PROPAGATOR.extract(carrier, Context()))
    context = producer.get_span_context()
    return [Link(context)] if context.is_valid else []
