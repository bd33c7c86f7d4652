"""Whatever a receiver raises: its message has the outcome of any other, and the worker goes on."""

import asyncio
import signal
import threading
import traceback

import pytest

from django_sqs_kombu import JSONMessage, Middleware, RawMessage, ReceiverConsumer, Receivers, Retry
from django_sqs_kombu.exceptions import MessageDecodeError, ReceiverFailed, RestartLater
from django_sqs_kombu.working.handling import handle
from django_sqs_kombu.working.table import Action

from .fakes import Broken, FakeDelivery


class Odd(Exception):
    """What is odd has this class, too, so that a policy names it."""


class NoClass(Odd):
    __class__ = Broken()


class OtherClass(Odd):
    __class__ = MessageDecodeError


class NoCause(Odd):
    __cause__ = Broken()


class NoContext(Odd):
    __context__ = Broken()


class NoNotes(Odd):
    __notes__ = Broken()


class NoAttributes(Odd):
    def __getattribute__(self, name):
        raise ZeroDivisionError(name)


class NoTruth(Odd):
    def __bool__(self):
        raise ZeroDivisionError("neither")


class Untrue(Odd):
    """One that holds what went wrong, of which there is nothing."""

    def __len__(self):
        return 0


class NoInstances(type):
    def __instancecheck__(cls, instance):
        raise ZeroDivisionError("whose instance?")


class Unrelated(Odd, metaclass=NoInstances):
    pass


class NoSubclasses(type):
    def __subclasscheck__(cls, subclass):
        raise ZeroDivisionError("whose class?")


class NeverNamed(Exception, metaclass=NoSubclasses):
    """Raised, it would be a ZeroDivisionError by Python's own doing."""


class NoName(type):
    def __getattribute__(cls, name):
        if name in ("__name__", "__qualname__", "__module__"):
            raise ZeroDivisionError(name)
        return super().__getattribute__(name)


class Nameless(Odd, metaclass=NoName):
    pass


class LedToBy(Odd):
    """Nothing is wrong with it, but with what led to it."""

    def __init__(self):
        super().__init__("x")
        self.__cause__ = NoClass("y")


ODD = [
    NoClass,
    OtherClass,
    NoCause,
    NoContext,
    NoNotes,
    NoAttributes,
    NoTruth,
    Untrue,
    Unrelated,
    Nameless,
    LedToBy,
]


@pytest.fixture
def alone():
    """A registry without a server."""
    return Receivers("sqs-batch://")


@pytest.fixture(params=ODD, ids=[type.__repr__(each).split(".")[-1][:-2] for each in ODD])
def odd(request):
    return request.param


def raising(odd):
    def receive(message):
        raise odd("x") if odd is not LedToBy else odd()

    return receive


def handled(registered):
    delivery = FakeDelivery()
    escaped = None
    try:
        action = handle(registered, delivery, registered.get_queue()).action
    except BaseException as exc:
        escaped = exc.__traceback__
    # Raised as it is, it would end the test runner.
    assert escaped is None, "".join(traceback.format_tb(escaped))
    return action, delivery


def test_its_message_fails_as_any_other_and_the_log_says_so(alone, odd, caplog):
    queue = alone.register("orders", raising(odd))

    action, delivery = handled(queue)

    assert action is Action.REJECT
    assert delivery.done == [("reject",)]
    assert "made its receiver fail" in caplog.text
    assert "in receive" in caplog.text


def test_a_policy_that_names_it_counts(alone, odd):
    queue = alone.register("orders", raising(odd), discard=Odd)

    assert handled(queue)[0] is Action.DISCARD


@pytest.mark.parametrize("odd", [Unrelated, NeverNamed, NoClass])
def test_one_that_a_policy_names_by_its_own_class_harms_no_other(alone, odd):
    queue = alone.register("orders", raising(ValueError), retry=Retry(odd))

    assert handled(queue)[0] is Action.REJECT


@pytest.mark.parametrize("limit", [None, 5])
def test_one_of_a_thread_with_a_time_limit(alone, odd, limit):
    queue = alone.register("orders", raising(odd), timeout=limit, discard=Odd)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(handled(queue)[0]))

    thread.start()
    thread.join(10)

    assert ended == [Action.DISCARD]


def test_one_of_a_message_class(alone, odd):
    class Unreadable(RawMessage):
        @classmethod
        def from_delivery(cls, delivery, queue=None):
            raising(odd)(None)

    queue = alone.register("orders", print, message_class=Unreadable, discard=Odd)

    assert handled(queue)[0] is Action.DISCARD


def test_one_of_a_decoder(alone, odd):
    class Undecodable(RawMessage):
        def decode(self, body):
            raising(odd)(None)

    queue = alone.register("orders", print, message_class=Undecodable)

    assert handled(queue)[0] is Action.REJECT


def test_one_of_a_middleware_harms_nobody(odd, caplog):
    told = []

    class Failing(Middleware):
        def settled(self, settlement):
            raising(odd)(None)

    class Following(Middleware):
        def settled(self, settlement):
            told.append(settlement.action)

    receivers = Receivers("sqs-batch://", middleware=[Failing(), Following()])

    assert handled(receivers.register("orders", lambda message: None))[0] is Action.DELETE
    assert told == [Action.DELETE]
    assert "Failing failed" in caplog.text


def test_what_stands_for_it_has_its_traceback_and_its_class(alone, odd):
    raised = []

    class Noting(Middleware):
        def settled(self, settlement):
            raised.append(settlement.raised)

    alone.middleware.append(Noting())
    handled(alone.register("orders", raising(odd)))

    [error] = raised
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-1] == "receive"
    if isinstance(error, ReceiverFailed):
        assert error.kind is (Odd if odd is Nameless else odd)


@pytest.mark.parametrize("options", [{}, {"coroutines": 2}, {"threads": 2}], ids=repr)
def test_a_worker_goes_on(receivers, options, counts):
    """All of them one after the other, and a good one behind them."""
    seen = []

    async def receive(message):
        await asyncio.sleep(0)
        if message["odd"] < len(ODD):
            raising(ODD[message["odd"]])(message)
        seen.append(message["odd"])

    queue = receivers.register("orders", receive, message_class=JSONMessage, timeout=5)
    receivers.send_many("orders", [{"odd": number} for number in range(len(ODD) + 1)])

    ReceiverConsumer(receivers, message_limit=len(ODD) + 1, **options).run()

    assert seen == [len(ODD)]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_a_batch_with_one_is_settled(receivers, odd, counts):
    seen = []

    def receive(messages):
        for message in messages:
            if message["n"] == 1:
                message.fail(odd() if odd is LedToBy else odd("x"))
            elif message["n"] == 2:
                raising(odd)(message)
        seen.extend(message["n"] for message in messages)

    queue = receivers.register(
        "orders", receive, message_class=JSONMessage, batch=3, on_error="bisect"
    )
    receivers.send_many("orders", [{"n": number} for number in range(3)])

    ReceiverConsumer(receivers, message_limit=3).run()

    assert 0 in seen
    assert counts(queue.full_name()) == (0, 0, 0)


def test_what_is_asked_for_counts_whatever_led_to_it(alone):
    def receive(message):
        try:
            raise NoCause("odd")
        except NoCause:
            raise RestartLater(7)  # noqa: B904 - it is what led to it

    action, delivery = handled(alone.register("orders", receive))

    assert (action, delivery.done) == (Action.REQUEUE, [("requeue", 7)])


def test_a_policy_for_whatever_is_raised_has_an_end(alone):
    queue = alone.register("orders", raising(ValueError), retry=Retry(BaseException, tries=3))
    delivery = FakeDelivery(receive_count=50)

    assert handle(queue, delivery, queue.get_queue()).action is Action.REJECT


@pytest.mark.parametrize("truth", [{"__len__": lambda self: 0}, {"__bool__": Broken()}])
def test_an_interrupt_of_a_receiver_that_is_not_true_is_its_failure(alone, truth, monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)
    kind = type("Interrupt", (KeyboardInterrupt,), truth)

    assert handled(alone.register("orders", raising(kind)))[0] is Action.REJECT
