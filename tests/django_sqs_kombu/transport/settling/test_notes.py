"""Notes: written before SQS is told what becomes of a message, and never after."""

import threading
import time

import pytest

from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.note import Note
from django_sqs_kombu.transport.holding.table import HeldMessages
from django_sqs_kombu.transport.settling import notes, starts
from django_sqs_kombu.transport.settling.keeper import Keeper

from .fakes import Objects


class Requests:
    def __init__(self, order):
        self.order = order

    def begin_delete_batch(self, queue, messages, done):
        self.order.append(("deleted", len(messages)))
        done([None] * len(messages))

    def begin_change_visibility_batch(self, queue, messages, seconds, done):
        self.order.append(("hidden", len(messages)))
        done([None] * len(messages))


class Writer:
    """Writes into a list; while *away* it fails."""

    def __init__(self, order):
        self.order = order
        self.away = threading.Event()
        self.failed = self.rested = 0

    def write(self, contents):
        if self.away.is_set():
            self.failed += 1
            raise ConnectionError("away")
        self.order.append(("written", len(contents)))

    def rest(self):
        self.rested += 1


@pytest.fixture
def order():
    return []


@pytest.fixture
def writer(order):
    return Writer(order)


@pytest.fixture
def table():
    return HeldMessages()


@pytest.fixture
def keeper(order, table):
    keeper = Keeper(
        Requests(order),
        table,
        Objects(),
        linger=0.3,
        stale=lambda *args: False,
        give_back=lambda held: None,
    )
    yield keeper
    keeper.close(1)


def hold(table, writer, number=1):
    message = {"ReceiptHandle": f"r{number}", "MessageId": f"m{number}", "Body": ""}
    held = Held("q", message, 60, time.monotonic())
    held.note = Note(writer, number)
    table.receive(held, State.DELIVERED)
    return held


def test_ten_notes_are_written_in_one_and_then_their_messages_deleted(keeper, table, writer, order):
    for number in range(10):
        keeper.delete(hold(table, writer, number))
    assert keeper.flush(5)

    assert order == [("written", 10), ("deleted", 10)]
    assert len(table) == 0


@pytest.fixture
def patient_keeper(order, table):
    """One that waits long for what fills no request."""
    keeper = Keeper(
        Requests(order),
        table,
        Objects(),
        linger=60,
        stale=lambda *args: False,
        give_back=lambda held: None,
    )
    yield keeper
    keeper.close(1)


def test_all_that_wait_are_written_and_deleted_with_the_first_that_is_due(
    patient_keeper, table, writer, order, eventually
):
    for number in range(4):
        patient_keeper.delete(hold(table, writer, number))
    patient_keeper.delete(hold(table, writer, 4), linger=False)
    eventually(lambda: len(table) == 0)

    assert order == [("written", 5), ("deleted", 5)]


def test_after_a_write_more_are_written_together(
    patient_keeper, table, writer, order, eventually, monkeypatch
):
    monkeypatch.setattr(notes, "REST", 1_000_000)
    monkeypatch.setattr(notes, "LONGEST_REST", 60)
    for number in range(10):
        patient_keeper.delete(hold(table, writer, number))
    eventually(lambda: len(table) == 0)
    for number in range(10, 20):
        patient_keeper.delete(hold(table, writer, number))
    time.sleep(0.2)
    for number in range(20, 30):
        patient_keeper.delete(hold(table, writer, number))
    assert patient_keeper.flush(5)

    assert [count for what, count in order if what == "written"] == [10, 20]


def test_the_rest_after_a_write_is_short(patient_keeper, table, writer, eventually):
    for number in range(10):
        patient_keeper.delete(hold(table, writer, number))
    eventually(lambda: len(table) == 0)
    for number in range(10, 20):
        patient_keeper.delete(hold(table, writer, number))

    eventually(lambda: len(table) == 0, timeout=10)


def test_while_notes_cannot_be_written_their_messages_stay_and_others_go(
    keeper, table, writer, order, eventually
):
    writer.away.set()
    noted, other = hold(table, writer, 1), hold(table, writer, 2)
    other.note = None
    keeper.delete(noted, linger=False)
    keeper.delete(other, linger=False)
    eventually(lambda: writer.failed and order == [("deleted", 1)])
    assert noted.state is State.SETTLING

    writer.away.clear()
    assert keeper.flush(10)
    assert order[1:] == [("written", 1), ("deleted", 1)]


def test_what_sqs_is_told_nothing_of_is_noted_all_the_same(keeper, table, writer, order):
    keeper.abandon(hold(table, writer))
    assert keeper.flush(5)

    assert order == [("written", 1)]
    assert len(table) == 0


def test_a_close_ends_the_thread_which_lets_go_of_its_connections(
    keeper, table, writer, order, eventually
):
    keeper.hide(hold(table, writer), 5)
    keeper.close(5)

    assert order == [("written", 1), ("hidden", 1)]
    eventually(lambda: writer.rested == 1)


def test_a_note_that_waits_for_another_try_holds_up_none(keeper, table, writer, order, eventually):
    writer.away.set()
    late = hold(table, writer, 1)
    keeper.delete(late, linger=False)
    eventually(lambda: writer.failed >= 3)
    writer.away.clear()
    started = time.monotonic()
    keeper.delete(hold(table, writer, 2), linger=False)

    # The next try of the first comes more than a second later.
    eventually(lambda: order[:1] == [("written", 1)])
    assert time.monotonic() - started < 1


class ExitingWriter(Writer):
    """What it calls, such as a signal's receiver, exits the first time."""

    def write(self, contents):
        self.failed += 1
        if self.failed == 1:
            raise SystemExit(1)
        super().write(contents)


def test_what_exits_in_it_ends_not_the_thread(keeper, table, order, caplog):
    keeper.delete(hold(table, ExitingWriter(order)), linger=False)

    assert keeper.flush(5)
    assert order == [("written", 1), ("deleted", 1)]
    assert "was not settled, trying again: SystemExit(1)" in caplog.text


def test_nor_where_a_start_is_noted(keeper, table, order, eventually, monkeypatch):
    monkeypatch.setattr(starts, "PAUSE", 0.01)
    runs, writer = hold(table, None), ExitingWriter(order)
    runs.note = None

    keeper.note_start(runs, Note(writer, "runs"))

    eventually(lambda: order == [("written", 1)])


class ForgoingWriter(Writer):
    """What it cannot write is not worth that a message is received again."""

    def forgo(self, contents, why):
        self.order.append((str(why), len(contents)))
        return True


def test_a_note_that_is_worth_less_than_the_message_holds_up_no_stop(
    keeper, table, order, eventually
):
    writer = ForgoingWriter(order)
    writer.away.set()
    keeper.delete(hold(table, writer), linger=False)
    eventually(lambda: writer.failed)
    assert order == []

    assert keeper.flush(10)
    assert order == [("away", 1), ("deleted", 1)]


def test_a_receiver_that_runs_for_long_is_noted_and_one_that_has_ended_is_not(
    keeper, table, writer, order, eventually, monkeypatch
):
    monkeypatch.setattr(starts, "PAUSE", 0.01)
    writer.away.set()
    done, runs = hold(table, writer, 1), hold(table, writer, 2)
    start, runs.note = Note(writer, "runs"), None
    keeper.note_start(done, start)
    keeper.note_start(runs, start)
    eventually(lambda: writer.failed)
    writer.away.clear()
    eventually(lambda: order)

    assert order == [("written", 1)]
    assert runs.state is State.DELIVERED


def test_a_thread_that_could_not_be_started_is_there_soon(
    keeper, table, writer, monkeypatch, eventually
):
    """The message of the last note was held, and its result not written, until another came."""
    start, fails = notes.start_thread, ["once"]

    def start_thread(thread):
        if fails:
            fails.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(notes, "start_thread", start_thread)
    held = hold(table, writer)

    keeper.delete(held)

    eventually(lambda: held.state is State.GONE)
