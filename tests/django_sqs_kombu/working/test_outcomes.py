"""Whatever fails in settling: a message is settled once, or given up, and the log is true."""

import logging
import threading

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    Middleware,
    RawMessage,
    ReceiverConsumer,
    Receivers,
    RestartLater,
)
from django_sqs_kombu.exceptions import (
    EnvironmentFailure,
    MessageDecodeError,
    MessageTargetMissing,
    PayloadUnavailable,
    ReceiverFailed,
)
from django_sqs_kombu.working.handling import handle
from django_sqs_kombu.working.outcomes import settle, settle_undecodable
from django_sqs_kombu.working.retry import Retry
from django_sqs_kombu.working.table import Action, Attempts, row_for, table_of

from .fakes import FakeDelivery, refused

PASSING = Retry((ConnectionError,), 3)


@pytest.fixture
def receivers():
    return Receivers("sqs-batch://", retry_on=[ConnectionError], retry_tries=3)


@pytest.fixture
def registered(receivers):
    return receivers.register("orders", print)


class Settled(Middleware):
    """Notes what is settled, and the order in which contexts are entered and left."""

    def __init__(self):
        self.settlements = []

    def settled(self, settlement):
        self.settlements.append((settlement.action, settlement.raised))


class Failing(Middleware):
    """Fails at one point."""

    def __init__(self, point):
        self.point = point

    def receiving(self, registered, delivery):
        if self.point == "receiving":
            raise ZeroDivisionError
        return self

    def __enter__(self):
        if self.point == "enter":
            raise ZeroDivisionError

    def __exit__(self, *exc):
        if self.point == "exit":
            raise ZeroDivisionError
        return self.point == "swallow"

    def settled(self, settlement):
        if self.point == "settled":
            raise ZeroDivisionError


class WithMore(RawMessage):
    """As BigMessage: its delete() has more to do, and that fails."""

    def delete(self):
        raise OSError("S3 is away")


WAYS = [
    (None, "ack"),
    (RestartLater(5), "requeue"),
    (KeyboardInterrupt(), "release"),
    (ValueError(), "reject"),
]


@pytest.mark.parametrize("error", [refused(), ZeroDivisionError()])
@pytest.mark.parametrize(("raised", "way"), WAYS)
def test_a_settling_that_fails_ends_in_a_requeue(registered, caplog, raised, way, error):
    settled = Settled()
    registered.receivers.middleware.append(settled)
    delivery = FakeDelivery({way: error}, times=1)

    action = settle(registered, delivery, None, raised)

    assert action is Action.REQUEUE
    assert delivery.done == [("requeue", None)]
    assert settled.settlements == [(Action.REQUEUE, raised)]
    [record] = [r for r in caplog.records if "could not be settled" in r.message]
    assert "it is tried again later" in record.message
    assert (record.exc_info is None) == isinstance(error, type(refused()))


@pytest.mark.parametrize(("raised", "way"), WAYS)
def test_a_message_that_cannot_even_be_requeued_is_given_up(registered, caplog, raised, way):
    settled = Settled()
    registered.receivers.middleware.append(settled)
    delivery = FakeDelivery({way: refused(), "requeue": refused()})

    action = settle(registered, delivery, None, raised)

    assert action is None
    assert delivery.done == [("abandon",)]
    assert settled.settlements == [(None, raised)]
    assert "SQS redelivers it" in caplog.text


def test_nothing_is_raised_even_where_nothing_works(registered):
    ways = ("ack", "reject", "requeue", "release", "abandon")
    delivery = FakeDelivery(dict.fromkeys(ways, ZeroDivisionError()))

    assert settle(registered, delivery, None, None) is None


def test_what_a_filter_of_the_logs_raises_costs_no_message(registered):
    def fail(record):
        raise ZeroDivisionError

    logger = logging.getLogger("django_sqs_kombu.working.outcomes")
    logger.addFilter(fail)
    delivery = FakeDelivery()
    try:
        action = settle(registered, delivery, None, ValueError())
    finally:
        logger.removeFilter(fail)

    assert action is Action.REJECT
    assert delivery.done == [("reject",)]


def test_a_done_message_whose_object_stays_is_deleted_all_the_same(receivers, caplog):
    registered = receivers.register("orders", print, message_class=WithMore)
    delivery = FakeDelivery()

    assert settle(registered, delivery, WithMore(), None) is Action.DELETE
    assert delivery.done == [("ack",)]
    assert "what belongs to it, such as an object in S3, could not be deleted" in caplog.text


@pytest.mark.parametrize("point", ["receiving", "enter", "exit", "swallow", "settled"])
@pytest.mark.parametrize(
    ("raised", "way"), [(None, ("ack",)), (ValueError("its fault"), ("reject",))]
)
def test_a_middleware_that_fails_changes_nothing(receivers, caplog, point, raised, way):
    before, after = Settled(), Settled()
    receivers.middleware += [before, Failing(point), after]
    ran = []

    def receive(message):
        ran.append(message.get_body())
        if raised is not None:
            raise raised

    registered = receivers.register("orders", receive)
    delivery = FakeDelivery()

    handled = handle(registered, delivery, registered.get_queue())

    assert ran == ["the body"]
    assert handled.attempt.raised is raised
    assert delivery.done == [way]
    assert [r for _, r in before.settlements] == [r for _, r in after.settlements] == [raised]
    assert ("Failing failed" in caplog.text) == (point != "swallow")


def test_what_fails_before_the_receiver_is_not_the_messages_fault(receivers):
    class Away(type(receivers.register("away"))):
        def around_message(self):
            raise OSError("the database is away")

    registered = Away("orders", print, receivers=receivers)
    delivery = FakeDelivery()

    handled = handle(registered, delivery, registered.get_queue())

    assert isinstance(handled.attempt.raised, EnvironmentFailure)
    assert handled.action is Action.REQUEUE
    assert delivery.done == [("requeue", None)]


def test_what_fails_after_the_settling_settles_nothing_again(receivers, caplog):
    class Untidy(type(receivers.register("untidy"))):
        def around_message(self):
            return Failing("exit")

    registered = Untidy("orders", print, receivers=receivers)
    delivery = FakeDelivery()

    handled = handle(registered, delivery, registered.get_queue())

    assert handled.action is Action.DELETE
    assert delivery.done == [("ack",)]
    assert "Cleaning up after message id-1 failed" in caplog.text


# delete_on_start


def test_a_message_is_decoded_before_it_is_deleted_on_start(receivers):
    class Unreadable(RawMessage):
        def decode(self, value):
            raise PayloadUnavailable("S3 is away")

        def load(self, delivery):
            return self.decode("")

    registered = receivers.register("orders", print, message_class=Unreadable, delete_on_start=True)
    delivery = FakeDelivery()

    assert handle(registered, delivery, registered.get_queue()).action is Action.REQUEUE
    assert delivery.done == [("requeue", None)]


def test_a_message_that_cannot_be_deleted_on_start_is_not_run(receivers, caplog):
    ran = []
    registered = receivers.register("orders", ran.append, delete_on_start=True)
    delivery = FakeDelivery({"delete_now": refused()})

    assert handle(registered, delivery, registered.get_queue()).action is Action.REQUEUE
    assert not ran
    assert delivery.done == [("requeue", None)]
    assert "it could not be deleted before its receiver starts" in caplog.text


def test_a_message_deleted_on_start_that_cannot_be_sent_again_is_said_to_be_lost(receivers, caplog):
    def restart(message):
        raise RestartLater

    registered = receivers.register("orders", restart, delete_on_start=True)
    delivery = FakeDelivery({"SendMessage": refused("InvalidMessageContents")})

    assert handle(registered, delivery, registered.get_queue()).action is None
    assert delivery.done == [("delete_now",)]
    assert "is lost" in caplog.text
    assert "the body" in caplog.text


def masking(queue, text):
    if "odd" in text:
        raise ValueError(text)
    return None if "none" in text else f"{queue}: {text[:2]}***"


@pytest.mark.parametrize(
    ("body", "shown"),
    [("4111", "'orders: 41***'"), ("none of it", "(not shown)"), ("odd", "(not shown)")],
)
@pytest.mark.parametrize("deleted", [False, True])
def test_bodies_in_logs_are_masked(caplog, body, shown, deleted):
    def fail(message):
        raise RestartLater if deleted else ValueError("no")

    receivers = Receivers("sqs-batch://", mask=masking)
    registered = receivers.register("orders", fail, delete_on_start=deleted)
    delivery = FakeDelivery({"SendMessage": refused("InvalidMessageContents")})
    delivery.text = delivery.payload = delivery.sqs_body = body
    handle(registered, delivery, registered.get_queue())

    assert f"body {shown}" in caplog.text
    assert body not in caplog.text


def test_an_error_that_quotes_what_it_cannot_decode_is_masked_as_well(caplog):
    class Strict(RawMessage):
        @classmethod
        def from_delivery(cls, delivery, queue=None):
            raise MessageDecodeError(f"input was {delivery.text}")

    receivers = Receivers("sqs-batch://", mask=masking)
    registered = receivers.register("orders", print, message_class=Strict)
    delivery = FakeDelivery()
    delivery.text = delivery.payload = delivery.sqs_body = "4111"
    handle(registered, delivery, registered.get_queue())

    assert "cannot be decoded; body 'orders: 41***': MessageDecodeError" in caplog.text
    assert "4111" not in caplog.text


def test_a_mask_that_is_no_function_is_refused():
    with pytest.raises(ConfigurationError, match="mask must be a function"):
        Receivers("sqs-batch://", mask="shop.mask")


# The table


@pytest.mark.parametrize(
    ("raised", "receives", "action"),
    [
        (EnvironmentFailure("S3"), 1_000, Action.REQUEUE),
        (PayloadUnavailable("S3"), 1_000, Action.REQUEUE),
        (ConnectionResetError(), 3, Action.REQUEUE),
        (ConnectionResetError(), 4, Action.REJECT),
        (MessageTargetMissing("no row"), 4, Action.REQUEUE),
        (MessageTargetMissing("no row"), 5, Action.REJECT),
        (MessageDecodeError("no JSON"), 1, Action.REJECT),
        (OSError(), 1, Action.REJECT),
        (RestartLater(), 1_000, Action.REQUEUE),
    ],
)
def test_what_passes_is_tried_again(raised, receives, action):
    assert row_for(raised, Attempts(receives), table_of(passing=PASSING)).action is action


def test_what_passes_is_one_line_until_it_counts(registered, caplog):
    for receive_count in (3, 4):
        delivery = FakeDelivery(receive_count=receive_count)
        settle(registered, delivery, None, ConnectionResetError("the database is away"))

    first, second = caplog.records
    assert "is tried again later: ConnectionResetError('the database is away')" in first.message
    assert first.exc_info is None
    assert "made its receiver fail" in second.message
    assert second.exc_info is not None


def test_what_cannot_be_decoded_is_settled_by_the_table(registered):
    gone, unreadable = FakeDelivery(), FakeDelivery()

    assert settle_undecodable(registered, gone, PayloadUnavailable("S3")) is Action.REQUEUE
    assert settle_undecodable(registered, unreadable, ValueError("zip")) is Action.REJECT


def test_what_could_not_be_sent_from_another_process_is_known_by_its_class():
    lost = ReceiverFailed("ConnectionResetError(<socket>)", ConnectionResetError)

    assert row_for(lost, table=table_of(passing=PASSING)).action is Action.REQUEUE
    assert row_for(lost).action is Action.REJECT
    assert row_for(ReceiverFailed("text", RestartLater)).action is Action.REQUEUE


@pytest.mark.parametrize("options", [{"retry_on": ["OSError"]}, {"retry_tries": -1}])
def test_retries_that_cannot_work(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Receivers("sqs-batch://", **options)


def test_where_no_further_thread_starts_those_there_are_run_the_message_once(
    receivers, monkeypatch
):
    """The pool takes a message before it asks for a thread: given back, it would run twice."""
    ran = []
    registered = receivers.register("orders", lambda message: ran.append(message.id))
    consumer = ReceiverConsumer(receivers, threads=2)
    queue = registered.get_queue()
    consumer._sources[queue.name] = registered, queue
    delivery = FakeDelivery(queue=queue.name)
    delivery.expired = False
    busy = threading.Event()

    with consumer.extra_context(None, None):
        consumer._pool.submit(1, busy.wait)
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        consumer.on_message(delivery)
        busy.set()

    assert len(ran) == 1
    assert delivery.done == [("ack",)]
    assert not consumer._running


def no_thread(thread):
    raise RuntimeError("can't start new thread")


def test_what_ends_a_thread_leaves_no_message_that_is_renewed_for_ever(receivers):
    class Fatal(type(receivers.register("fatal"))):
        def around_message(self):
            raise SystemExit

    registered = Fatal("orders", print, receivers=receivers)
    receivers.queues["orders"] = registered
    consumer = ReceiverConsumer(receivers, [registered])
    queue = registered.get_queue()
    delivery = FakeDelivery(queue=queue.name)
    delivery.expired = False
    consumer._sources[queue.name] = registered, queue

    with pytest.raises(SystemExit):
        consumer.on_message(delivery)

    assert delivery.done == [("abandon",)]
    assert not consumer._running
