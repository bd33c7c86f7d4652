import importlib
import inspect
import logging
import signal
import socket
import sys
import threading
import time
from contextlib import nullcontext, suppress
from functools import partial
from types import SimpleNamespace

import pytest

from django_sqs_kombu import TimedOut
from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.working.context import MessageContext, current_message
from django_sqs_kombu.working.deadline import deadline

from .slow_handler import SlowHandler

# The package has the function under this name.
deadlines = importlib.import_module("django_sqs_kombu.working.deadline")
# Where the interpreter calls something by itself, as its collector does, it drops what strikes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def in_thread(fn):
    raised = []

    def run():
        try:
            fn()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return raised


def here(fn):
    try:
        fn()
    except BaseException as exc:
        return [exc]
    return []


def loop(seconds):
    for _ in range(int(seconds / 0.01)):
        time.sleep(0.01)


def test_main_thread_is_interrupted_in_a_system_call():
    before = signal.getsignal(signal.SIGALRM)
    started = time.monotonic()

    with pytest.raises(TimedOut, match=r"after 0\.2 s"), deadline(0.2):
        time.sleep(10)

    assert time.monotonic() - started < 2
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_another_thread_is_interrupted_between_bytecodes():
    def run():
        with deadline(0.2):
            loop(10)

    started = time.monotonic()
    raised = in_thread(run)

    assert time.monotonic() - started < 3
    assert [type(exc) for exc in raised] == [TimedOut]
    assert raised[0].seconds == 0.2


class OnceSaid(logging.Handler):
    """Calls *then* when it is said that a receiver still runs."""

    def __init__(self, then):
        super().__init__()
        self.then = then

    def emit(self, record):
        if "still runs" in record.getMessage():
            self.then()


@pytest.fixture
def once_said(monkeypatch):
    """Have something called when it is said that a receiver still runs, which is soon."""
    monkeypatch.setattr(deadlines, "INTERVAL", 0.1)
    handlers = []

    def once_said(then):
        handlers.append(OnceSaid(then))
        # Behind that of caplog, so that it is read there by then.
        logging.getLogger().addHandler(handlers[-1])

    yield once_said
    for handler in handlers:
        logging.getLogger().removeHandler(handler)


def test_of_a_call_that_cannot_be_interrupted_is_said_that_it_still_runs(once_said, caplog):
    ended, blocked = [], threading.Lock()
    blocked.acquire()
    once_said(blocked.release)

    def receive():
        blocked.acquire(timeout=15)
        ended.append(True)

    def run():
        current_message.set(MessageContext("orders", "7", 1))
        with deadline(0.05):
            receive()

    [raised] = in_thread(run)

    assert not ended
    assert 0.15 <= raised.ran < 15
    [record] = [each for each in caplog.records if "still runs" in each.message]
    assert record.levelname == "WARNING"
    assert record.message.startswith("Message 7 of queue orders (receive 1): its receiver still")
    assert record.message.endswith("(receive) blocked.acquire(timeout=15)")


def test_of_a_call_of_a_library_is_also_said_where_the_receiver_makes_it(once_said, caplog):
    us, them = socket.socketpair()
    us.settimeout(15)
    once_said(partial(them.send, b"at last\n"))

    def receive():
        us.makefile().readline()

    def run():
        with deadline(0.05):
            receive()

    with us, them:
        in_thread(run)

    [said] = [each.message for each in caplog.records if "still runs" in each.message]
    assert "socket.py" in said
    assert said.endswith("(receive) us.makefile().readline()")


def test_of_a_receiver_that_hears_it_is_not_said_that_it_still_runs(monkeypatch, caplog):
    # It has so long to hear it, however busy the machine is.
    monkeypatch.setattr(deadlines, "INTERVAL", 0.5)

    def run():
        with deadline(0.05):
            try:
                loop(10)
            finally:
                loop(0.8)

    in_thread(run)

    assert "still runs" not in caplog.text


def test_what_ran_much_longer_than_its_limit_says_so():
    assert str(TimedOut(3, 30.2)) == "ran 30 s, its timeout is 3 s"
    assert str(TimedOut(3, 3.4)) == str(TimedOut(3)) == "timed out after 3 s"


@pytest.mark.parametrize("seconds", [None, 0, 5])
def test_a_block_in_time_is_left_alone(seconds):
    def run():
        with deadline(seconds):
            loop(0.05)

    run()
    assert in_thread(run) == []


def test_a_deadline_that_passes_at_the_end_never_hits_what_follows():
    def run():
        for _ in range(200):
            try:
                with deadline(0.001):
                    time.sleep(0.001)
            except TimedOut:
                pass
        loop(0.2)

    assert in_thread(run) == []


class Deaf:
    """Spends its time in __del__, where Python drops exceptions."""

    def __del__(self):
        loop(0.5)


def swallow_in_del(seconds=0.2):
    with deadline(seconds):
        deaf = Deaf()
        del deaf
        loop(20)


def swallow_in_a_bare_except(seconds=0.2):
    with deadline(seconds):
        for _ in range(3):
            # As a bare except in code that must not fail.
            with suppress(BaseException):
                loop(7)


@pytest.mark.parametrize("swallow", [swallow_in_del, swallow_in_a_bare_except])
@pytest.mark.parametrize("where", ["main thread", "another thread"])
def test_a_deadline_that_was_not_heard_rings_again(swallow, where, monkeypatch):
    monkeypatch.setattr(deadlines, "INTERVAL", 0.2)
    started = time.monotonic()

    if where == "main thread":
        with pytest.raises(TimedOut) if swallow is swallow_in_del else nullcontext():
            swallow()
    else:
        raised = in_thread(swallow)
        assert len(raised) == (swallow is swallow_in_del)

    assert time.monotonic() - started < 8


@pytest.mark.parametrize("run", [lambda fn: fn(), in_thread], ids=["main", "another"])
def test_cleaning_up_is_not_interrupted(run, monkeypatch):
    monkeypatch.setattr(deadlines, "INTERVAL", 0.1)
    cleaned = []

    def work():
        try:
            with deadline(0.1):
                try:
                    loop(10)
                finally:
                    loop(0.6)
                    cleaned.append(True)
        except TimedOut:
            pass

    run(work)

    assert cleaned == [True]


@pytest.mark.parametrize("run", [lambda fn: fn(), in_thread], ids=["main", "another"])
def test_a_deadline_that_rings_again_never_hits_what_follows(run, monkeypatch):
    monkeypatch.setattr(deadlines, "INTERVAL", 0.001)
    # A ring may come within a finalizer, and the next within pytest's report of that.
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    wrong = []

    def work():
        for number in range(400):
            try:
                with deadline(0.001):
                    for _ in range(number % 40):
                        time.sleep(0.0001)
            except TimedOut:
                pass
        try:
            loop(0.5)
        except TimedOut as exc:
            wrong.append(exc)

    run(work)

    assert not wrong


@pytest.mark.parametrize("seconds", [float("inf"), 1e10, float("nan")])
@pytest.mark.parametrize("run", [lambda fn: fn(), in_thread], ids=["main", "another"])
def test_a_limit_beyond_all_time_is_none(run, seconds):
    seen = []

    def work():
        with deadline(seconds):
            seen.append(True)

    run(work)

    assert seen == [True]


def test_a_deadline_inside_another_leaves_that_one_set():
    def work():
        with deadline(20):
            time.sleep(0.01)
        loop(20)

    with pytest.raises(TimedOut, match=r"after 0\.3 s"), deadline(0.3):
        work()


def test_where_no_thread_can_be_started_the_message_is_not_to_blame(monkeypatch):
    monkeypatch.setattr(deadlines, "_ringer", deadlines._Ringer())

    def start(self):
        raise RuntimeError("can't start new thread")

    def work():
        monkeypatch.setattr(threading.Thread, "start", start)
        try:
            with deadline(5):
                pass
        finally:
            monkeypatch.undo()

    [raised] = in_thread(work)

    assert isinstance(raised, EnvironmentFailure)


def test_rings_that_come_faster_than_they_are_heard_do_not_pile_up(monkeypatch):
    """As on a busy machine, where looking takes longer than the pause until the next look."""
    depths = []

    def slowly(frame):
        depths.append(len(inspect.stack(0)))
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            pass
        return True

    monkeypatch.setattr(deadlines, "PAUSE", 0.01)
    monkeypatch.setattr(deadlines, "_is_in_a_request", slowly)

    def work():
        until = time.monotonic() + 20
        while len(depths) < 5 and time.monotonic() < until:
            time.sleep(0.01)

    with pytest.raises(TimedOut), deadline(0.1):
        work()

    assert len(depths) >= 5
    assert max(depths) - min(depths) <= 4


def test_in_a_green_thread_there_is_no_limit_which_is_said_once(monkeypatch, caplog):
    """What gevent and eventlet make of threading: no thread of the system has that number."""
    deadlines._say_that_threads_are_green.cache_clear()
    green = SimpleNamespace(**{**vars(threading), "get_ident": lambda: 1})
    monkeypatch.setattr(deadlines, "threading", green)

    def work():
        with deadline(0.05):
            time.sleep(0.2)

    for _ in range(2):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert caplog.text.count("no effect in the green threads") == 1


@pytest.fixture
def log_slowly():
    """Log something with a handler that takes so many seconds; it is returned."""
    logger = logging.getLogger("slowly")
    logger.propagate = False

    def log_slowly(seconds):
        handler = SlowHandler(lambda: loop(seconds))
        logger.addHandler(handler)
        return handler, logger

    yield log_slowly
    logger.handlers.clear()


@pytest.mark.parametrize("run", [in_thread, here])
def test_a_record_that_is_logged_swallows_no_timeout(run, log_slowly):
    handler, logger = log_slowly(0.4)

    def block():
        with deadline(0.1):
            logger.error("Done")

    [raised] = run(block)

    assert type(raised) is TimedOut
    assert (handler.written, handler.failed) == (1, 0)


@pytest.mark.parametrize("run", [in_thread, here])
def test_a_handler_that_hangs_is_interrupted_all_the_same(run, log_slowly):
    handler, logger = log_slowly(15)

    def block():
        with deadline(0.1):
            logger.error("Done")
            loop(15)

    started = time.monotonic()
    [raised] = run(block)

    assert type(raised) is TimedOut
    assert (handler.written, handler.failed) == (0, 1)
    assert time.monotonic() - started < 8
