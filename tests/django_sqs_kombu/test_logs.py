"""A log that cannot be written, on a full disk say, costs no message."""

import logging
import threading

import pytest

from django_sqs_kombu import TimedOut, logs
from django_sqs_kombu.logs import get_logger


class Broken(logging.Handler):
    """A handler that hands on what it meets."""

    error = OSError(28, "No space left on device")

    def emit(self, record):
        raise self.error


@pytest.fixture
def broken():
    logger = logging.getLogger("django_sqs_kombu")
    handler, level = Broken(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def unmade():
    """A factory of records that fails, as one that asks for the current request may."""
    before = logging.getLogRecordFactory()

    def make(name, *args, **kwargs):
        if name.startswith("django_sqs_kombu"):
            raise Broken.error
        return before(name, *args, **kwargs)

    logging.setLogRecordFactory(make)
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["broken", "unmade"])
@pytest.mark.parametrize("mode", ["error 503", "half failed"])
def test_every_thread_goes_on_and_every_message_is_received_once(
    mode, fault, request, fragile, proxy, tally, start, eventually, counts, capsys
):
    request.getfixturevalue(fault)
    queue = fragile.register("orders", tally, visibility_timeout=4)
    fragile.send_many("orders", [f"{number} 0.1" for number in range(20)] + ["long 5"])
    struck = ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
    proxy.set(mode, *struck, seconds=1)

    start(fragile, threads=4)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0), timeout=30)

    assert len(tally.done) == 21
    assert not tally.twice
    assert "was lost: OSError(28, 'No space left on device')" in capsys.readouterr().err


def test_a_receivers_time_limit_that_strikes_while_it_logs_is_heard(broken):
    broken.error = TimedOut(1)

    with pytest.raises(TimedOut):
        get_logger("django_sqs_kombu.working.outcomes").warning("x")


@pytest.mark.parametrize("given", [lambda exc: exc, lambda exc: True], ids=["itself", "True"])
def test_what_is_not_true_has_its_traceback(given, caplog):
    try:
        raise type("Untrue", (Exception,), {"__len__": lambda self: 0})
    except Exception as exc:
        get_logger("django_sqs_kombu.working.outcomes").error("failed", exc_info=given(exc))

    assert "in test_what_is_not_true_has_its_traceback" in caplog.text


def test_its_records_reach_who_listens(caplog):
    get_logger("django_sqs_kombu.working.outcomes").warning("to be %s", "read")
    get_logger("django_sqs_kombu.working.outcomes").warning("once")

    assert [record.getMessage() for record in caplog.records] == ["to be read", "once"]


def test_a_record_for_whose_traceback_there_is_no_memory_is_lost_and_no_more(monkeypatch, capsys):
    def no_memory(raised):
        raise MemoryError

    monkeypatch.setattr(logs, "traceback_of", no_memory)

    get_logger("django_sqs_kombu.tested").error("x", exc_info=ValueError())

    assert "A record of logger django_sqs_kombu.tested was lost: MemoryError()" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "exception", "critical"])
def test_a_record_that_cannot_be_made_is_lost_and_no_more(level, unmade, capsys):
    logger = get_logger("django_sqs_kombu.tested")
    logger.setLevel(logging.DEBUG)

    getattr(logger, level)("x")
    logger.log(logging.ERROR, "x")

    assert capsys.readouterr().err.count("logger django_sqs_kombu.tested was lost: OSError") == 2


@pytest.mark.parametrize("name", ["isEnabledFor", "_log", "findCaller", "makeRecord", "handle"])
def test_a_logger_class_of_the_projects_own_that_fails_costs_the_record_alone(name, capsys):
    def fail(self, *args, **kwargs):
        raise Broken.error

    before = logging.getLoggerClass()
    logging.setLoggerClass(type("Own", (before,), {name: fail}))
    try:
        logger = get_logger(f"django_sqs_kombu.tested.{name}")
    finally:
        logging.setLoggerClass(before)

    logger.error("x")

    assert f"A record of logger {logger.name} was lost" in capsys.readouterr().err


def logger_of(cls, name):
    """A logger of the project's own class."""
    before = logging.getLoggerClass()
    logging.setLoggerClass(cls)
    try:
        return get_logger(f"django_sqs_kombu.tested.{name}")
    finally:
        logging.setLoggerClass(before)


def test_a_logger_class_that_knows_of_no_levels_of_the_stack_logs_all_the_same(caplog):
    class Own(logging.Logger):
        def _log(self, level, msg, args, exc_info=None, extra=None):
            super()._log(level, f"own {msg}", args, exc_info, extra)

    logger = logger_of(Own, "own")

    logger.error("x")

    assert [record.getMessage() for record in caplog.records] == ["own x"]


def test_one_that_counts_levels_of_the_stack_itself_finds_who_logs(caplog):
    """As one does that adds a frame of its own."""

    class Own(logging.Logger):
        def _log(self, level, msg, args, exc_info=None, extra=None, stacklevel=1):
            super()._log(level, msg, args, exc_info, extra, stacklevel=stacklevel + 1)

    logger = logger_of(Own, "counting")

    logger.error("x")

    [record] = caplog.records
    assert record.funcName == "test_one_that_counts_levels_of_the_stack_itself_finds_who_logs"


def test_a_receivers_time_limit_that_strikes_while_a_record_is_made_is_heard(monkeypatch):
    logger = get_logger("django_sqs_kombu.working.outcomes")

    def strike(*args, **kwargs):
        raise TimedOut(1)

    monkeypatch.setattr(logger, "makeRecord", strike)

    with pytest.raises(TimedOut):
        logger.warning("x")


@pytest.mark.parametrize(
    "say",
    [
        lambda logger: logger.warning("x"),
        lambda logger: logger.log(logging.ERROR, "x"),
        lambda logger: logger.exception("x"),
        lambda logger: (lambda: logger.error("x", stacklevel=2))(),
    ],
    ids=["warning", "log", "exception", "stacklevel"],
)
def test_its_records_say_where_they_are_from(say, caplog):
    say(get_logger("django_sqs_kombu.tested"))

    [record] = caplog.records
    assert record.filename == "test_logs.py"
    assert record.lineno == say.__code__.co_firstlineno


def test_a_thread_that_must_go_on_does_not_wait_for_a_log_that_hangs():
    logger, told, go = get_logger("django_sqs_kombu.hanging"), [], threading.Event()

    class Hanging(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())
            go.wait(20)

    logger.addHandler(handler := Hanging())
    try:
        with logs.without_waiting():
            logger.error("x")
            logger.error("y")
        finished = logs.finish(0.1)
        go.set()

        assert not finished
        assert logs.finish(20)
        assert told == ["x", "y"]
    finally:
        go.set()
        logger.removeHandler(handler)
