"""A receiver's timeout that strikes inside send() leaves no lock of the connections taken."""

import functools
import gc
import importlib
import queue
import sys
import threading
import time

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import HTTPClientError

from django_sqs_kombu import TimedOut
from django_sqs_kombu.transport.sqs import shield
from django_sqs_kombu.working.deadline import deadline

# The package has the function under this name.
deadlines = importlib.import_module("django_sqs_kombu.working.deadline")
# Where the interpreter calls something by itself, as its collector does, it drops what strikes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

#: Too large for SQS.
LARGE = "x" * 1_100_000


@pytest.fixture(autouse=True)
def _nothing_is_finalized_meanwhile():
    """What strikes in a finalizer is dropped by Python; a second later these blocks are over."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(params=["auto", "botocore"])
def transport_options(request, transport_options):
    return {**transport_options, "wire": request.param}


@pytest.fixture
def hold_up(transport_options, monkeypatch, receivers):
    """Hold this thread up, once, within a request.

    Over botocore that is where urllib3 has just taken the lock of its pool.
    """
    left = {}

    def wait():
        until = time.monotonic() + left.pop(threading.get_ident(), 0)
        while time.monotonic() < until:
            time.sleep(0.01)

    def enter(condition):
        taken = condition._lock.__enter__()
        if sys._getframe(1).f_code.co_filename == queue.__file__:
            wait()
        return taken

    receivers.register("orders", None)
    receivers.send("orders", body="first")
    if transport_options["wire"] == "botocore":
        monkeypatch.setattr(threading.Condition, "__enter__", enter)
    else:
        events = receivers.channel().sqs("orders").meta.events
        events.register("before-send.sqs.SendMessage", lambda **kwargs: wait())
    return lambda seconds: left.update({threading.get_ident(): seconds})


@pytest.mark.parametrize("then", ["goes on", "returns"])
@pytest.mark.parametrize("where", ["main thread", "another"])
def test_later_sends_go_on(receivers, counts, hold_up, where, then):
    raised = []

    def struck():
        hold_up(1.5)
        try:
            with deadline(0.3):
                receivers.send("orders", body="struck")
                while then == "goes on":
                    time.sleep(0.01)
        except TimedOut as exc:
            raised.append(exc)

    if where == "another":
        thread = threading.Thread(target=struck, daemon=True)
        thread.start()
        thread.join(30)
    else:
        struck()

    send = functools.partial(receivers.send, "orders", body="later")
    later = threading.Thread(target=send, daemon=True)
    later.start()
    later.join(30)
    assert not later.is_alive()
    assert raised
    assert counts(receivers.get("orders").full_name())[0] == 3


@pytest.fixture
def slow_strike(monkeypatch):
    """Between the look at what a thread does and the strike, wait; return what ends that."""
    looked, go_on = threading.Event(), threading.Event()
    strike = deadlines._raise_in

    def slowly(thread, exception):
        if exception is not None:
            looked.set()
            go_on.wait(1)
        strike(thread, exception)

    monkeypatch.setattr(deadlines, "_raise_in", slowly)
    return looked, go_on


def in_thread(work):
    """Run *work* in a thread; return what it raised."""
    raised = []

    def run():
        try:
            work()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    return raised


def test_a_request_that_begins_just_when_it_rings_is_not_struck(slow_strike):
    looked, began = slow_strike
    ended = threading.Event()

    @shield.ends_before_deadlines
    def request():
        began.set()
        for _ in range(50):
            time.sleep(0.01)
        ended.set()

    def work():
        with deadline(0.1):
            while not looked.is_set():
                time.sleep(0.001)
            request()

    [raised] = in_thread(work)

    assert isinstance(raised, TimedOut)
    assert began.is_set() == ended.is_set()


def test_a_block_that_ends_just_when_it_rings_has_timed_out(slow_strike):
    looked, ends = slow_strike

    @shield.ends_before_deadlines
    def request():
        time.sleep(0.3)

    def work():
        with deadline(0.1):
            request()
            while not looked.is_set():
                time.sleep(0.001)
            ends.set()

    [raised] = in_thread(work)

    assert isinstance(raised, TimedOut)
    assert raised.seconds == 0.1


@pytest.mark.parametrize("where", ["main thread", "another"])
@pytest.mark.parametrize("transport_options", ["botocore"], indirect=True)
def test_the_answer_is_read_before_it_rings(receivers, counts, monkeypatch, where):
    """When its body is read, the connection goes back to its pool, of which a lock is taken."""
    receivers.register("orders", None)
    receivers.send("orders", body="first")
    content = AWSResponse.content.fget

    def slowly(response):
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            time.sleep(0.01)
        return content(response)

    monkeypatch.setattr(AWSResponse, "content", property(slowly))

    def work():
        with deadline(0.3):
            receivers.send("orders", body="struck")

    [raised] = in_thread(work) if where == "another" else in_main(work)
    monkeypatch.undo()

    assert isinstance(raised, TimedOut)
    # Struck in there, botocore would take it for a fault of the network, and send again.
    assert counts(receivers.get("orders").full_name())[0] == 2


@pytest.mark.parametrize("transport_options", ["auto"], indirect=True)
def test_a_payload_is_not_written_to_s3_twice(fragile, proxy, s3, prefix, monkeypatch):
    fragile.register("orders", None)
    fragile.send("orders", body=LARGE)
    content = AWSResponse.content.fget

    def slowly(response):
        until = time.monotonic() + (2 if prefix in response.url else 0)
        while time.monotonic() < until:
            time.sleep(0.01)
        return content(response)

    monkeypatch.setattr(AWSResponse, "content", property(slowly))

    def work():
        with deadline(1):
            fragile.send("orders", body=LARGE)

    [raised] = in_thread(work)
    monkeypatch.undo()

    assert isinstance(raised, TimedOut)
    # On a busy machine the time may be over before the payload is on its way.
    assert proxy.requests["S3 PUT"] <= 2


@pytest.mark.parametrize("transport_options", ["botocore"], indirect=True)
def test_what_a_time_limit_has_struck_is_not_sent_again(receivers, monkeypatch):
    receivers.register("orders", None)
    receivers.send("orders", body="first")
    tries = []

    def send(request):
        tries.append(request)
        raise HTTPClientError(error=TimedOut(5))

    monkeypatch.setattr(receivers.channel().sqs("orders")._endpoint.http_session, "send", send)

    with pytest.raises(TimedOut, match="after 5 s"):
        receivers.send("orders", body="struck")

    assert len(tries) == 1


def in_main(work):
    """Run *work* here; return what it raised."""
    try:
        work()
    except TimedOut as exc:
        return [exc]
    return []
