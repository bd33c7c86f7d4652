"""OpenTelemetry with its real SDK: spans linked across the queue, and metrics."""

import asyncio
import logging
import os
import threading
from functools import partial
from types import SimpleNamespace

import pytest

from django_sqs_kombu import (
    AccessDenied,
    Breaker,
    Continue,
    ReceiverConsumer,
    RestartLater,
    Retry,
    SendManyFailed,
    lambda_handler,
)
from django_sqs_kombu.exceptions import ReceiverFailed
from django_sqs_kombu.working import Settlement

from ..event_source import EventSource

otel = pytest.importorskip("django_sqs_kombu.otel")
sdk = pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import (  # noqa: E402
    BatchSpanProcessor,
    SimpleSpanProcessor,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: E402
    InMemorySpanExporter,
)
from opentelemetry.trace import StatusCode  # noqa: E402


@pytest.fixture
def spans(receivers):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    reader = InMemoryMetricReader()
    receivers.middleware.append(
        otel.OpenTelemetry(provider, MeterProvider(metric_readers=[reader]))
    )

    def spans(name=""):
        return [span for span in exporter.get_finished_spans() if span.name.startswith(name)]

    spans.tracer = provider.get_tracer("application")
    spans.reader = reader
    return spans


def metrics(reader):
    found = {}
    for resource in reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found[metric.name] = list(metric.data.data_points)
    return found


def linked(span):
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def test_a_receiver_is_linked_to_what_sent_its_message(receivers, spans):
    inside = []

    def receive(message):
        with spans.tracer.start_as_current_span("inside"):
            inside.append(message.get_body())

    queue = receivers.register("orders", receive)
    name = queue.full_name()
    with spans.tracer.start_as_current_span("request"):
        receivers.send("orders", body="x", attributes={"mine": "kept"})
    ReceiverConsumer(receivers, message_limit=1).run()

    [request], [send] = spans("request"), spans("send")
    [process], [settle] = spans("process"), spans("settle")
    assert send.name == f"send {name}"
    assert send.parent.span_id == request.context.span_id
    assert linked(process) == linked(settle) == [(send.context.trace_id, send.context.span_id)]
    assert spans("inside")[0].parent.span_id == process.context.span_id
    assert dict(process.attributes) == {
        "messaging.system": "aws_sqs",
        "messaging.destination.name": name,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.message.id": process.attributes["messaging.message.id"],
        "messaging.aws_sqs.receive_count": 1,
    }
    assert settle.attributes["messaging.operation.name"] == "delete"
    assert send.attributes["messaging.message.id"] == process.attributes["messaging.message.id"]
    assert inside == ["x"]


def test_spans_of_receivers_that_run_together_are_their_own_messages(receivers, spans, caplog):
    all_run = asyncio.Event()
    began = []

    @receivers.receiver("orders")
    async def receive(message):
        with spans.tracer.start_as_current_span(f"inside {message.id}"):
            began.append(message.id)
            if len(began) == 5:
                all_run.set()
            await asyncio.wait_for(all_run.wait(), 10)

    receivers.send_many("orders", list("abcde"))
    ReceiverConsumer(receivers, coroutines=5, message_limit=5).run()

    processed = {s.attributes["messaging.message.id"]: s for s in spans("process")}
    assert len(processed) == 5
    for inside in spans("inside"):
        parent = processed[inside.name.removeprefix("inside ")]
        assert inside.parent.span_id == parent.context.span_id
        assert parent.parent is None
    # As "Failed to detach context", of one that was left in another context.
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_what_is_sent_at_the_same_time_has_its_own_message_in_its_span(receivers, spans, server):
    queue = receivers.register("orders", lambda message: None)
    receivers.send("orders", body="x")
    send = partial(receivers.send, "orders", body="x")
    senders = [threading.Thread(target=send) for _ in range(12)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    ReceiverConsumer(receivers, message_limit=13).run()

    sent = {span.context.span_id: span.attributes["messaging.message.id"] for span in spans("send")}
    found = {span.links[0].context.span_id: span for span in spans("process")}
    assert server.count("SendMessageBatch", queue.full_name())
    assert len(set(sent.values())) == 13
    assert sent == {key: span.attributes["messaging.message.id"] for key, span in found.items()}


def test_a_message_that_sqs_does_not_accept_has_no_id_in_its_span(receivers, spans, server):
    queue = receivers.register("orders", lambda message: None)
    receivers.send("orders", body="x")
    with server.refusing("SendMessage", queue.full_name()), pytest.raises(AccessDenied):
        receivers.send("orders", body="x")

    assert ["messaging.message.id" in span.attributes for span in spans("send")] == [True, False]


def test_many_messages_are_one_span_and_each_is_linked_to_it(receivers, spans):
    receivers.register("orders", lambda message: None)
    receivers.send_many("orders", map(str, range(12)))
    ReceiverConsumer(receivers, message_limit=12).run()

    [send] = spans("send")
    assert send.attributes["messaging.batch.message_count"] == 12
    assert len(spans("process")) == 12
    assert {span.links[0].context.span_id for span in spans("process")} == {send.context.span_id}


def test_failures_are_marked_and_restarts_are_none(receivers, spans):
    def receive(message):
        if message.attributes["ApproximateReceiveCount"] == "1":
            raise RestartLater(delay=0)
        raise ValueError("bad")

    receivers.register("orders", receive)
    receivers.send("orders", body="x")
    ReceiverConsumer(receivers, message_limit=2).run()

    restarted, failed = spans("process")
    assert restarted.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"] == "ValueError"
    assert failed.events[0].name == "exception"
    assert [s.attributes["messaging.operation.name"] for s in spans("settle")] == [
        "requeue",
        "reject",
    ]


def test_an_exception_without_a_text_is_the_receivers_all_the_same(receivers, spans):
    class Mute(Exception):
        def __str__(self):
            raise ZeroDivisionError

    raised = Mute()

    def receive(message):
        raise raised

    receivers.register("mute", receive)
    receivers.send("mute", body="x")
    with pytest.raises(Mute) as failure:
        receivers.queues["mute"].receive_single()

    assert failure.value is raised
    [failed] = spans("process")
    assert failed.attributes["error.type"].endswith("Mute")
    assert "Mute" in failed.status.description


def test_metrics(receivers, spans, server):
    queue = receivers.register("orders", lambda message: None)
    receivers.send("orders", body="x")
    receivers.send_many("orders", ["a", "b"])
    ReceiverConsumer(receivers, message_limit=3).run()
    server.failed_entries["SendMessageBatch", queue.full_name()] = [[(0, "Bad", True)]]
    with pytest.raises(SendManyFailed):
        receivers.send_many("orders", ["a", "b"])

    found = metrics(spans.reader)
    assert [p.value for p in found["messaging.client.sent.messages"]] == [3]
    assert [p.value for p in found["messaging.client.consumed.messages"]] == [3]
    assert [p.count for p in found["messaging.process.duration"]] == [3]
    durations = found["messaging.client.operation.duration"]
    assert {p.attributes.get("error.type"): p.count for p in durations} == {
        None: 2,
        "SendManyFailed": 1,
    }


def test_what_becomes_of_messages_is_counted(receivers, spans, eventually):
    seen = set()

    def receive(message):
        body, first = message.get_body(), message.get_body() not in seen
        seen.add(body)
        if body == "moot":
            raise LookupError(body)
        if body == "bad":
            raise ValueError(body)
        if body == "flaky" and first:
            raise ConnectionError(body)
        if body == "long" and not message.cursor:
            raise Continue(1)
        if body == "later" and first:
            raise RestartLater(delay=0)

    receivers.register(
        "orders",
        receive,
        retry=Retry(ConnectionError, tries=3, backoff=0.01, jitter=False),
        discard=LookupError,
        dead_letter=ValueError,
        dead_letter_queue="dead",
    )
    receivers.send_many("orders", ["fine", "moot", "bad", "flaky", "long", "later"])
    ReceiverConsumer(receivers, message_limit=9).run()

    counted = {
        (p.attributes["messaging.operation.name"], p.attributes.get("error.type")): p.value
        for p in metrics(spans.reader)["django_sqs.settled.messages"]
    }
    assert counted == {
        ("delete", None): 4,
        ("discard", "LookupError"): 1,
        ("dead_letter", "ValueError"): 1,
        ("retry", "ConnectionError"): 1,
        ("continue", "Continue"): 1,
        ("requeue", "RestartLater"): 1,
    }


def test_pauses_breakers_and_limits_are_counted(receivers, spans, start, eventually):
    receivers._options["pause_look"] = 0.3
    away = threading.Event()
    away.set()

    def receive(message):
        if away.is_set():
            raise ConnectionError

    receivers.register(
        "orders",
        receive,
        retry=Retry(ConnectionError, tries=8, backoff=1),
        breaker=Breaker(of=3, pause=1, on=ConnectionError),
    )
    receivers.register("slow", lambda message: None, rate="5/s")
    receivers.send_many("orders", map(str, range(10)))
    receivers.send_many("slow", map(str, range(40)))
    start(receivers, threads=2)

    def value(name):
        return sum(point.value for point in metrics(spans.reader).get(name, ()))

    eventually(lambda: value("django_sqs.tripped.breakers") >= 2)
    assert value("django_sqs.open.breakers") == 1
    eventually(lambda: value("django_sqs.limited.windows") >= 2)
    away.clear()
    eventually(lambda: value("django_sqs.open.breakers") == 0)
    receivers.get("orders").pause()
    eventually(lambda: value("django_sqs.paused.queues") == 1)
    receivers.get("orders").resume()
    eventually(lambda: value("django_sqs.paused.queues") == 0)


def test_a_stranger_without_a_context_and_a_message_with_ten_attributes(receivers, spans, sqs):
    queue = receivers.register("orders", lambda message: None)
    ten = {f"a{n}": "x" for n in range(10)}
    receivers.send("orders", body="x", attributes=ten)
    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    broken = {"traceparent": {"DataType": "String", "StringValue": "nonsense"}}
    sqs.send_message(QueueUrl=url, MessageBody="eA==", MessageAttributes=broken)
    ReceiverConsumer(receivers, message_limit=2).run()

    assert [list(span.links) for span in spans("process")] == [[], []]


def test_a_forked_child_says_for_itself_what_is_paused():
    added = []
    now = otel._Now(SimpleNamespace(add=lambda number, facts: added.append(number)))
    now.note("q", True)
    now._lock.acquire()

    pid = os.fork()
    if not pid:
        now.note("q", True)
        os._exit(len(added))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2


def test_what_failed_in_another_process_is_counted_by_its_own_class(receivers, spans):
    failed = ReceiverFailed("KeyError: 'x'", kind=KeyError)
    delivery = SimpleNamespace(queue="q")
    receivers.middleware[-1].settled(Settlement(None, delivery, None, None, failed))

    [point] = metrics(spans.reader)["django_sqs.settled.messages"]
    assert point.attributes["error.type"] == "KeyError"


def test_spans_are_exported_before_lambda_stands_the_process_still(receivers, sqs):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    # It exports after an hour, were it not told to.
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000))
    receivers.middleware.append(otel.OpenTelemetry(provider, MeterProvider()))
    name = receivers.register("orders", lambda message: None).full_name()
    receivers.send("orders", body="x")
    handler = lambda_handler(receivers)

    assert EventSource(sqs, handler).invoke(name) == []

    kinds = {span.name.split()[0] for span in exporter.get_finished_spans()}
    assert kinds == {"send", "process", "settle"}
    handler.close()
    provider.shutdown()
