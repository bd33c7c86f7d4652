"""Bodies of other writers reach the message class, and none stops a consumer."""

import base64
import json
import threading

import celery
import kombu
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_sqs_kombu import Message, RawMessage, ReceiverConsumer

S3_EVENT = json.dumps({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]})
SNS = json.dumps({"Type": "Notification", "MessageId": "1", "Message": '{"a": 1}'})
EVENTBRIDGE = json.dumps({"version": "0", "detail-type": "x", "source": "y", "detail": {}})
BODIES = [
    S3_EVENT,
    SNS,
    '{"a": 1}',
    EVENTBRIDGE,
    "plain text",
    "dGhpcyBsb29rcyBsaWtlIGJhc2U2NA==",
    "<order><id>5</id></order>",
    "12345",
    "-1.5e10",
    "null",
    "true",
    '""',
    "{}",
    "[]",
    " ",
    '{"properties": 1}',
    '{"body": 1, "properties": {}, "headers": {}}',
    json.dumps({"body": "x", "headers": []}),
    base64.b64encode(b'{"properties": {}}').decode(),
]


@pytest.fixture
def send_bodies(receivers, sqs):
    def send_bodies(queue, bodies):
        url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body)

    return send_bodies


def test_each_reaches_the_message_class_as_sqs_held_it(receivers, send_bodies, counts):
    seen = []
    queue = receivers.register(
        "orders", lambda m: seen.append(m.get_body()), message_class=RawMessage
    )
    send_bodies(queue, BODIES)

    ReceiverConsumer(receivers, message_limit=len(BODIES)).run()

    assert sorted(seen) == sorted(BODIES)
    assert counts(queue.full_name()) == (0, 0, 0)


@pytest.mark.parametrize("threads", [1, 4])
def test_no_body_stops_a_consumer(receivers, send_bodies, counts, threads):
    seen = []
    queue = receivers.register("orders", lambda m: seen.append(m.get_body()), message_class=Message)
    send_bodies(queue, [*BODIES, "bGFzdA=="])

    ReceiverConsumer(receivers, threads=threads, message_limit=len(BODIES) + 1).run()

    assert "last" in seen
    assert len(seen) == len(BODIES) + 1
    assert counts(queue.full_name()) == (0, 0, 0)


class Strict(RawMessage):
    """A class that cannot decode most bodies."""

    def decode(self, value):
        return json.loads(value)["wanted"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
bodies = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1),
    json_values.map(json.dumps),
    json_values.map(lambda value: base64.b64encode(json.dumps(value).encode()).decode()),
)


@pytest.fixture
def worker(receivers):
    """A consumer that runs for the whole test, and a list of what it settled."""
    seen = []
    queue = receivers.register("strict", lambda m: seen.append(m.get_body()), message_class=Strict)
    consumer = ReceiverConsumer(receivers)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    yield queue, seen, thread
    consumer.stop()
    thread.join(10)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=st.lists(bodies, min_size=1, max_size=10))
def test_arbitrary_text_and_json(worker, sqs, eventually, counts, batch):
    queue, seen, thread = worker
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    marker = f"marker {len(seen)}"
    for body in [*batch, json.dumps({"wanted": marker})]:
        if all(c in "\t\n\r" or " " <= c <= "\ufffd" for c in body if ord(c) < 0x10000):
            sqs.send_message(QueueUrl=url, MessageBody=body)

    eventually(lambda: marker in seen)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert thread.is_alive()


def test_a_celery_message_reaches_the_message_class(receivers, server, counts):
    seen = []
    queue = receivers.register("orders", lambda m: seen.append(json.loads(m.get_body())))
    host, port = server.url.removeprefix("http://").split(":")
    app = celery.Celery(broker=f"sqs://testing:testing-secret@{host}:{port}", set_as_current=False)
    app.conf.broker_transport_options = {"region": "us-east-1", "is_secure": False}
    app.send_task("a.task", args=[1, "ż"], queue=queue.full_name())
    app.close()

    ReceiverConsumer(receivers, message_limit=1).run()

    [[args, kwargs, _]] = seen
    assert (args, kwargs) == ([1, "ż"], {})
    assert counts(queue.full_name()) == (0, 0, 0)


def test_a_stock_kombu_consumer_reads_the_message_classes(receivers, server):
    from django_sqs_kombu import JSONMessage

    queue = receivers.register("mappings", message_class=JSONMessage)
    receivers.send("mappings", body={"a": "ż"})
    host, port = server.url.removeprefix("http://").split(":")
    stock = kombu.Connection(
        f"sqs://testing:testing-secret@{host}:{port}",
        transport_options={"region": "us-east-1", "is_secure": False, "wait_time_seconds": 1},
    )

    with stock:
        message = kombu.Queue(queue.full_name())(stock.default_channel).get(accept=["json"])

    assert message.payload == {"a": "ż"}
