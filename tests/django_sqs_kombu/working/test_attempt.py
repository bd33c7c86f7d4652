"""What counts as having run: decided by what the receiver returns."""

import asyncio
import functools
import signal

import pytest
from asgiref.sync import sync_to_async

from django_sqs_kombu import ConfigurationError, NoReceiver, Receivers, TimedOut
from django_sqs_kombu.exceptions import ReceiverReturnedGenerator
from django_sqs_kombu.testing import received_message
from django_sqs_kombu.testing.local_delivery import LocalDelivery


@pytest.fixture
def receivers():
    return Receivers("sqs-batch://")


@pytest.fixture
def run(receivers):
    """Run a receiver on one message; return what it noted."""

    def run(receiver, **options):
        registered = receivers.register("orders", receiver, **options)
        return registered.receive(received_message(registered, body="x"))

    return run


def synchronous(fn):
    """As a decorator for logging or retries, written without asyncio in mind."""

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        return fn(*args, **kwargs)

    return wrapper


class AsyncCallable:
    def __init__(self, fn):
        self.fn = fn

    async def __call__(self, message):
        return await self.fn(message)


class Awaitable:
    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        return self.coroutine.__await__()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda fn: fn,
        synchronous,
        lambda fn: lambda message: fn(message),
        functools.partial,
        AsyncCallable,
        lambda fn: sync_to_async(lambda message: fn(message)),
        lambda fn: lambda message: Awaitable(fn(message)),
    ],
    ids=[
        "a coroutine function",
        "under a synchronous decorator",
        "a lambda",
        "a partial",
        "an object",
        "sync_to_async of what returns a coroutine",
        "an object to await",
    ],
)
def test_what_is_returned_to_await_is_awaited(run, wrap):
    seen = []

    async def receive(message):
        await asyncio.sleep(0)
        seen.append(message.get_body())
        return "done"

    assert run(wrap(receive)) == "done"
    assert seen == ["x"]


def test_sync_to_async_runs_the_function(run):
    seen = []

    run(sync_to_async(seen.append))

    assert len(seen) == 1


def test_what_is_awaited_has_the_time_that_is_left(run):
    async def wait(message):
        await asyncio.sleep(30)

    with pytest.raises(TimedOut):
        run(lambda message: wait(message), timeout=0.2)


def generator(message):
    yield message


async def asynchronous_generator(message):
    yield message


async def generator_in_time(message):
    return (part for part in "ab")


@pytest.mark.parametrize("receiver", [generator, asynchronous_generator, generator_in_time])
def test_a_receiver_of_which_nothing_has_run_has_failed(run, receiver):
    with pytest.raises(ReceiverReturnedGenerator, match=r"queue 'orders' returned a generator"):
        run(lambda message: receiver(message))


@pytest.mark.parametrize("wrap", [lambda fn: fn, functools.partial])
@pytest.mark.parametrize("receiver", [generator, asynchronous_generator])
def test_a_generator_function_is_refused_at_its_registration(receivers, receiver, wrap):
    with pytest.raises(ConfigurationError, match=r"'orders'.*is a generator function"):
        receivers.register("orders", wrap(receiver))


def test_a_queue_for_sending_only_receives_nothing(receivers):
    registered = receivers.register("orders")

    with pytest.raises(NoReceiver):
        registered.receive(received_message(registered, body="x"))


def test_the_message_of_a_generator_is_not_deleted_as_received(receivers):
    registered = receivers.register("orders", lambda message: generator(message))
    delivery = LocalDelivery("orders", registered.outgoing(body="x"))

    attempt = registered.attempt(delivery, registered.get_queue())

    assert attempt.message.get_body() == "x"
    assert isinstance(attempt.raised, ReceiverReturnedGenerator)
    assert not delivery.acknowledged


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_DFL])
def test_a_keyboard_interrupt_that_ctrl_c_cannot_have_raised_is_a_failure(receivers, handler):
    """Else it would stop each worker that receives the message, without end."""

    def interrupt(message):
        raise KeyboardInterrupt

    queue = receivers.register("orders", interrupt)
    delivery = LocalDelivery("orders", queue.outgoing(body="x"))
    before = signal.signal(signal.SIGINT, handler)
    try:
        raised = queue.attempt(delivery, queue.get_queue()).raised
    finally:
        signal.signal(signal.SIGINT, before)

    assert isinstance(raised, KeyboardInterrupt) == (handler is signal.default_int_handler)
