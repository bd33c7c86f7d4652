"""A message whose consumer raised is not hidden by it for as long as the process runs.

Kombu's own transport renews no lease, so there such a message comes again.
"""

import contextlib
import gc
import json
import threading
import time
import weakref

import kombu
import pytest
from kombu.asynchronous import Hub
from kombu.exceptions import ContentDisallowed
from kombu.mixins import ConsumerMixin

from django_sqs_kombu import MessageDecodeError
from django_sqs_kombu.transport.delivery import Delivery

TRANSPORTS = [pytest.param("kombu's", marks=pytest.mark.slow), "ours"]
NOT_PACKED = {
    "body": "AAAA",
    "headers": {"compression": "zlib"},
    "content-type": "text/plain",
    "content-encoding": "utf-8",
    "properties": {},
}


@pytest.fixture
def name(prefix, sqs):
    sqs.create_queue(QueueName=prefix, Attributes={"VisibilityTimeout": "2"})
    return prefix


@pytest.fixture
def put(connect, name):
    """Publish a value to the queue."""

    def put(value, **options):
        connect().Producer().publish(value, routing_key=name, exchange="", **options)

    return put


@pytest.fixture
def ours(connect):
    return connect(backoff_base=1, backoff_jitter=False)


def drain(connection, seconds, until=lambda: False):
    """Drain as a script that logs errors and goes on; return them."""
    errors = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        try:
            connection.drain_events(timeout=0.2)
        except TimeoutError:
            pass
        except Exception as exc:
            # As the script does.
            errors.append(exc)
    return errors


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
@pytest.mark.parametrize("prefetch", [None, 1])
def test_a_message_whose_callback_raised_comes_again_after_its_visibility_timeout(
    ours, name, put, error, prefetch, counts, eventually
):
    seen = []

    def receive(body, message):
        seen.append(body)
        if len(seen) == 1:
            raise error
        message.ack()

    put("x")
    with ours.Consumer([kombu.Queue(name)], callbacks=[receive], prefetch_count=prefetch):
        errors = drain(ours, 20, until=lambda: len(seen) == 2)

        # Kombu's own loops take a TimeoutError for their own.
        assert len(errors) == (error is ValueError)
        assert seen == ["x", "x"]
        eventually(lambda: counts(name) == (0, 0, 0))
        assert not ours.default_channel.qos._delivered


def test_what_a_callback_handed_on_before_it_raised_can_be_settled_while_its_lease_lasts(
    ours, name, put, counts, eventually
):
    got = []

    def receive(body, message):
        got.append(message)
        raise ValueError

    put("x")
    with ours.Consumer([kombu.Queue(name)], callbacks=[receive]):
        drain(ours, 20, until=lambda: got)
        got[0].ack()

        eventually(lambda: counts(name) == (0, 0, 0))
        drain(ours, 3)
        assert len(got) == 1


def test_a_script_that_ends_by_what_its_callback_raised_gives_the_message_back(
    connect, name, put, counts
):
    def receive(body, message):
        raise ValueError

    put("x")
    connection = connect(wait_time_seconds=0)
    with connection, connection.Consumer([kombu.Queue(name)], callbacks=[receive]):
        assert drain(connection, 1)
    assert counts(name) == (1, 0, 0)


def test_a_connection_that_is_dropped_after_its_callback_raised_is_not_kept(prefix, sqs, connect):
    sqs.create_queue(QueueName=prefix, Attributes={"VisibilityTimeout": "600"})
    connection = connect()
    connection.Producer().publish("x", routing_key=prefix, exchange="")

    def receive(body, message):
        raise ValueError

    def receive_and_drop():
        channel = connection.channel()
        consumer = kombu.Consumer(channel, [kombu.Queue(prefix)], callbacks=[receive])
        consumer.consume()
        assert drain(connection, 20, until=lambda: channel.held.all_delivered)
        consumer.cancel()
        return weakref.ref(channel)

    left = receive_and_drop()
    connection.release()
    gc.collect()

    assert left() is None


@pytest.mark.parametrize("wrong", ["refused", "broken"])
def test_what_cannot_be_decoded_is_received_again_where_nobody_is_told_of_it(
    ours, name, put, wrong, counts
):
    if wrong == "refused":
        put({"a": 1}, serializer="pickle")
    else:
        put("{broken", content_type="application/json", content_encoding="utf-8")
    seen = []
    with ours.Consumer([kombu.Queue(name)], callbacks=[seen.append], accept=["json"]):
        errors = drain(ours, 1)
        assert errors
        errors += drain(ours, 20, until=lambda: counts(name)[0])

    assert {type(error) for error in errors} & {ContentDisallowed, kombu.exceptions.DecodeError}
    assert sum(counts(name)) == 1
    assert not seen


def test_a_simple_queue_that_refuses_a_message_does_not_keep_it(ours, name, put):
    put({"a": 1}, serializer="pickle")
    strict = ours.SimpleQueue(name, accept=["json"])
    with pytest.raises(ContentDisallowed):
        strict.get(timeout=10)
    strict.close()

    lenient = ours.SimpleQueue(name, accept=["pickle"])
    message = lenient.get(timeout=10)

    assert message.payload == {"a": 1}
    message.ack()
    lenient.close()


def test_get_does_not_keep_what_cannot_be_unpacked(ours, name, sqs):
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(NOT_PACKED))
    queue = kombu.Queue(name, channel=ours.default_channel)
    with pytest.raises(MessageDecodeError):
        queue.get()

    with pytest.raises(MessageDecodeError):
        [queue.get() for _ in range(10)]


@pytest.mark.parametrize("settle", ["ack", "reject"])
def test_on_decode_error_deletes_nothing_that_there_is_no_memory_for(
    ours, name, put, settle, monkeypatch, counts
):
    def no_memory(self):
        raise MemoryError

    told = []

    def on_decode_error(message, exc):
        told.append(exc)
        getattr(message, settle)()

    put("x")
    with monkeypatch.context() as patched:
        patched.setattr(Delivery, "_decoded", no_memory)
        with ours.Consumer([kombu.Queue(name)], callbacks=[], on_decode_error=on_decode_error):
            drain(ours, 20, until=lambda: told)
    ours.default_channel.flush(5)

    assert sum(counts(name)) == 1


class Mixin(ConsumerMixin):
    def __init__(self, connection, queue):
        self.connection, self.queue, self.seen = connection, queue, []

    def get_consumers(self, Consumer, channel):  # noqa: N803
        return [Consumer([self.queue], callbacks=[self.receive])]

    def receive(self, body, message):
        self.seen.append(body)
        if len(self.seen) == 1:
            raise TimeoutError("of something else")
        message.ack()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_consumer_mixin_gets_a_message_again_whose_callback_timed_out(
    transport, connect, name, put, counts, eventually
):
    put("x")
    consumer = Mixin(connect(transport), kombu.Queue(name))
    thread = threading.Thread(target=consumer.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: consumer.seen == ["x", "x"])
        eventually(lambda: counts(name) == (0, 0, 0))
    finally:
        consumer.should_stop = True
        thread.join(20)


def test_an_event_loop_goes_on_and_the_message_is_tried_again_later(ours, name, put, caplog):
    seen = []

    def receive(body, message):
        seen.append(body)
        if seen.count("bad") == 1 and body == "bad":
            raise TimeoutError("of something else")
        message.ack()

    put("bad")
    hub = Hub()
    with contextlib.closing(hub):
        ours.transport.register_with_event_loop(ours.connection, hub)
        with ours.Consumer([kombu.Queue(name)], callbacks=[receive]):
            loop = hub.create_loop()
            deadline = time.monotonic() + 20
            while seen != ["bad", "bad"] and time.monotonic() < deadline:
                next(loop)

    assert seen == ["bad", "bad"]
    assert "made its consumer fail" in caplog.text
