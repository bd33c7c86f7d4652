"""What cannot be read now, in S3 or for want of memory, is left for later, and costs no other."""

import contextlib
import threading
import time
from types import SimpleNamespace

import kombu
import pytest
from kombu.mixins import ConsumerMixin

from django_sqs_kombu import JSONMessage, RawMessage, ReceiverConsumer
from django_sqs_kombu.exceptions import TooOldToSendAgain
from django_sqs_kombu.transport import consuming_channel
from django_sqs_kombu.transport.delivery import Delivery
from django_sqs_kombu.transport.sending import resending

LARGE = "x" * (1024 * 1024 + 1)
HEAVY = "heavy" * 10_000


class Plain(ConsumerMixin):
    """A consumer as Kombu's guide has it: it acknowledges what it cannot decode."""

    def __init__(self, receivers, queue, **options):
        self.connection = receivers.new_connection()
        self.connection.transport_options["backoff_base"] = 1
        self.queue, self.options, self.seen = queue, options, []

    def get_consumers(self, Consumer, channel):  # noqa: N803
        return [Consumer([self.queue], callbacks=[self.receive], **self.options)]

    def receive(self, body, message):
        self.seen.append(body)
        if not self.options.get("no_ack"):
            message.ack()


class Draining:
    """A consumer without a word for what cannot be decoded."""

    def __init__(self, receivers, queue, **options):
        self.connection = receivers.new_connection()
        self.connection.transport_options["backoff_base"] = 1
        self.queue, self.options, self.seen = queue, options, []
        self.should_stop = False

    def run(self):
        with self.connection as connection:
            consumer = connection.Consumer([self.queue], callbacks=[self.receive], **self.options)
            with consumer:
                while not self.should_stop:
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=0.2)

    receive = Plain.receive


@pytest.fixture(params=[Plain, Draining], ids=["mixin", "drain_events"])
def plain(request):
    """Start a consumer of Kombu's own in a thread."""
    started = []

    def plain(receivers, registered, **options):
        consumer = request.param(receivers, registered.get_queue(), **options)
        thread = threading.Thread(target=consumer.run, daemon=True)
        thread.start()
        started.append((consumer, thread))
        return consumer

    yield plain
    for consumer, thread in started:
        consumer.should_stop = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def short_of_memory(monkeypatch):
    """Have no memory for heavy bodies, where they are read or decoded, until told otherwise."""
    short = {"reading": False, "decoding": False}
    read, decode = consuming_channel.read_body, Delivery._decoded

    def read_body(text):
        if short["reading"] and HEAVY in text:
            raise MemoryError
        return read(text)

    def decoded(self):
        if short["decoding"] and HEAVY in self.text:
            raise MemoryError
        return decode(self)

    monkeypatch.setattr(consuming_channel, "read_body", read_body)
    monkeypatch.setattr(Delivery, "_decoded", decoded)
    return short


@pytest.mark.parametrize("no_ack", [False, True])
def test_an_outage_of_s3_costs_a_consumer_of_kombus_no_message(
    large, server, prefix, plain, eventually, counts, keys, no_ack
):
    queue = large.register("orders")
    large.send("orders", body=LARGE)
    large.send("orders", body="small")
    server.broken_bucket = prefix
    try:
        consumer = plain(large, queue, no_ack=no_ack)
        eventually(lambda: consumer.seen)
        eventually(lambda: counts(queue.full_name()) == (0, 1, 0))
    finally:
        server.broken_bucket = None

    eventually(lambda: len(consumer.seen) == 2)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    eventually(lambda: not keys())


def test_where_receives_count_it_is_sent_again(
    large_with, server, prefix, plain, eventually, counts, keys, caplog
):
    """Else an outage that lasts longer than its receives brings it to the dead letters."""
    large = large_with(backoff_base=1)
    queue = large.register("orders", dead_letter_queue="dead", max_receives=2)
    large.send("orders", body=LARGE)
    server.broken_bucket = prefix
    try:
        consumer = plain(large, queue)
        eventually(lambda: caplog.text.count("is tried again later") >= 3, timeout=30)
    finally:
        server.broken_bucket = None

    eventually(lambda: len(consumer.seen) == 1, timeout=30)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert counts(queue.full_dead_letter_name) == (0, 0, 0)
    eventually(lambda: not keys())


@pytest.mark.parametrize("no_ack", [False, True])
@pytest.mark.parametrize("where", ["reading", "decoding"])
def test_a_lack_of_memory_costs_a_consumer_of_kombus_no_message(
    receivers, short_of_memory, plain, eventually, counts, where, no_ack
):
    if where == "decoding" and no_ack:
        pytest.skip("it is deleted before Kombu decodes it")
    queue = receivers.register("orders")
    receivers.send("orders", body=HEAVY)
    short_of_memory[where] = True
    consumer = plain(receivers, queue, no_ack=no_ack)
    eventually(lambda: counts(queue.full_name()) == (0, 1, 0))
    receivers.send("orders", body="light")
    eventually(lambda: consumer.seen)

    short_of_memory[where] = False

    eventually(lambda: len(consumer.seen) == 2)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))


@pytest.mark.parametrize("where", ["reading", "decoding"])
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "orders"),
        ({"batch": 2}, "orders"),
        ({"coroutines": 2}, "orders"),
        ({"threads": 2}, "orders"),
        ({}, "orders.fifo"),
    ],
    ids=["plain", "batch", "coroutines", "threads", "fifo"],
)
def test_a_lack_of_memory_costs_a_receiver_no_message(
    receivers, short_of_memory, start, eventually, counts, where, options, name
):
    seen = []

    def receive(messages):
        seen.extend(messages if "batch" in options else [messages])

    async def areceive(message):
        seen.append(message)

    queue = receivers.register(
        name,
        areceive if "coroutines" in options else receive,
        batch=options.get("batch"),
        message_class=JSONMessage,
    )
    groups = [{"group_id": group} for group in "ab"] if name.endswith(".fifo") else [{}, {}]
    receivers.send(name, body={"is": HEAVY}, **groups[0])
    receivers.send(name, body={"is": "light"}, **groups[1])
    short_of_memory[where] = True
    consumer, thread = start(receivers, **{k: v for k, v in options.items() if k != "batch"})
    eventually(lambda: seen)
    eventually(lambda: counts(queue.full_name()) == (0, 1, 0))
    assert len(seen) == 1
    assert thread.is_alive()
    consumer.stop()
    thread.join(20)

    short_of_memory[where] = False
    assert sum(counts(queue.full_name())) == 1


@pytest.mark.parametrize("is_old", [False, True], ids=["sent again", "too old for that"])
def test_a_lack_of_memory_doubles_no_message_that_another_takes_the_place_of(
    receivers, short_of_memory, counts, monkeypatch, is_old
):
    """Where receives count it is sent again, and was requeued as well: twice as many each time."""
    queue = receivers.register(
        "orders",
        print,
        message_class=JSONMessage,
        dead_letter_queue="dead",
        dead_letter=TooOldToSendAgain,
    )
    receivers.send("orders", body={"is": HEAVY})
    short_of_memory["decoding"] = True
    # As if it had been sent so many seconds before it is received.
    wait = 30 * 86_400 if is_old else 0
    monkeypatch.setattr(resending, "time", SimpleNamespace(time=lambda: time.time() + wait))

    ReceiverConsumer(receivers, message_limit=1).run()

    assert sum(counts(queue.full_name())) == (0 if is_old else 1)
    assert sum(counts(queue.full_dead_letter_name)) == (1 if is_old else 0)


def test_basic_get_gives_back_what_there_is_no_memory_for(receivers, short_of_memory, counts):
    queue = receivers.register("orders")
    receivers.send("orders", body=HEAVY)
    short_of_memory["reading"] = True
    with receivers.new_connection() as connection:
        with pytest.raises(MemoryError):
            kombu.Queue(queue.full_name(), channel=connection.default_channel).get()
        connection.default_channel.flush(5)

        assert counts(queue.full_name()) == (1, 0, 0)


@pytest.mark.parametrize("no_ack", [False, True])
def test_nor_does_it_keep_what_cannot_be_read_in_s3_from_a_later_get(
    large, server, prefix, monkeypatch, eventually, no_ack
):
    """Nobody has a message that raised: its lease was renewed as long as the channel lived."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    registered = large.register("orders", message_class=RawMessage)
    registered.send(body=LARGE)
    with large.new_connection() as connection:
        connection.transport_options["backoff_base"] = 1
        queue = kombu.Queue(registered.full_name(), channel=connection.default_channel)
        server.broken_bucket = prefix
        try:
            assert queue.get(no_ack=no_ack) is None
        finally:
            server.broken_bucket = None

        message = eventually(lambda: queue.get(no_ack=no_ack))
        assert message.payload == LARGE
