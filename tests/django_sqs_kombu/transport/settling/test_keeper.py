"""Keeper: no message is left decided and not done, whatever interrupts, ends or comes again."""

import logging
import threading
import time

import pytest

from django_sqs_kombu.exceptions import RequestFailed, TimedOut
from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.table import LEAST_OPEN, HeldMessages
from django_sqs_kombu.transport.settling.keeper import Keeper

from .fakes import Objects


class Requests:
    """Answers when told to; the first request fails."""

    def __init__(self):
        self.sent = []
        self.begun, self.answer = threading.Event(), threading.Event()
        self.fails = 1
        self.passing = True

    def begin_delete_batch(self, queue, messages, done):
        self._begin(messages, done)

    def begin_change_visibility_batch(self, queue, messages, seconds, done):
        self._begin(messages, done)

    def _begin(self, messages, done):
        threading.Thread(target=lambda: done(self._answer(messages))).start()

    def _answer(self, messages):
        try:
            return self._send(messages)
        except RequestFailed as exc:
            return exc

    def _send(self, messages):
        self.sent.append([message["ReceiptHandle"] for message in messages])
        self.begun.set()
        self.answer.wait(5)
        if self.fails:
            self.fails -= 1
            raise RequestFailed(
                "Down!", operation="X", queue="q", code="AccessDenied", passing=self.passing
            )
        return [None] * len(messages)


@pytest.fixture
def requests():
    return Requests()


@pytest.fixture
def table():
    return HeldMessages()


@pytest.fixture
def keeper(requests, table):
    keeper = Keeper(
        requests, table, Objects(), linger=0, stale=lambda *args: False, give_back=lambda held: None
    )
    yield keeper
    requests.answer.set()
    keeper.close(1)


def hold(table, receipt="r1", message_id="m1"):
    message = {"ReceiptHandle": receipt, "MessageId": message_id, "Body": ""}
    held = Held("q", message, 60, time.monotonic())
    assert table.receive(held, State.DELIVERED)
    return held


def test_what_is_under_way_when_a_close_gives_up_and_then_fails_is_logged(
    keeper, table, requests, caplog, eventually
):
    held = hold(table)
    keeper.delete(held)
    assert requests.begun.wait(5)

    keeper.close(0.1)
    requests.answer.set()

    eventually(lambda: held.state is State.GONE)
    assert "could not be settled" in caplog.text


def test_a_close_waits_for_nothing_that_sqs_refuses(keeper, table, requests, caplog):
    """It took 10 seconds, beyond a short grace period, and the worker was then cut off."""
    requests.fails, requests.passing = 9, False
    requests.answer.set()
    began = time.monotonic()
    keeper.delete(hold(table))

    keeper.close(10)

    assert time.monotonic() - began < 5
    assert "Message m1 of queue q could not be settled, SQS may redeliver it: Down!" in caplog.text


def test_a_process_that_exits_says_what_was_not_settled(keeper, table, requests, caplog):
    requests.fails = 9
    requests.answer.set()
    keeper.delete(hold(table))

    keeper.finish(0.1, "the process exits")

    assert "Message m1 of queue q could not be settled" in caplog.text
    assert "the process exits, and 0.1 s have passed" in caplog.text


def test_a_timeout_that_strikes_while_a_message_is_settled_leaves_it_to_be_settled(
    keeper, table, requests, monkeypatch
):
    held = hold(table)
    requests.fails = 0
    requests.answer.set()

    def interrupted(settlement):
        raise TimedOut(1)

    with monkeypatch.context() as patch:
        patch.setattr(keeper._settlements, "add", interrupted)
        with pytest.raises(TimedOut):
            keeper.delete(held)
    assert held.state is State.DELIVERED

    keeper.release([held])
    assert keeper.flush(5)
    assert held.state is State.GONE


@pytest.mark.parametrize("settle", ["delete", "delete_now"])
def test_one_that_strikes_while_the_table_tells_of_it_does_so_too(keeper, table, requests, settle):
    """It was decided then and in no list: nobody could settle it, and it was renewed for ever."""
    held = hold(table)
    requests.fails = 0
    requests.answer.set()

    class Watcher:
        def ended(self, messages):
            table.watch("q", None)
            raise TimedOut(1)

    table.watch("q", Watcher())
    with pytest.raises(TimedOut):
        getattr(keeper, settle)(held)
    assert (table.delivered("q"), table.figures("q")) == (1, (0, 0, LEAST_OPEN))

    keeper.delete(held)

    assert keeper.flush(5)
    assert held.state is State.GONE


def test_giving_back_is_not_tried_again_when_the_message_has_come_again(keeper, table, requests):
    """SQS has done it, and its answer was lost: once more would show what runs to others."""
    keeper.release([hold(table)])
    assert requests.begun.wait(5)
    again = hold(table, "r2")
    requests.answer.set()

    assert keeper.flush(5)
    time.sleep(1)

    assert requests.sent == [["r1"]]
    assert table.all() == [again]


def test_a_message_that_was_given_back_is_not_deleted_for_a_receiver_that_is_to_start(
    keeper, table
):
    held = hold(table)
    keeper.release([held])

    with pytest.raises(RequestFailed, match="no longer held"):
        keeper.delete_now(held)


def test_what_is_settled_after_a_close_is_sent(keeper, table, requests, eventually):
    requests.fails = 0
    requests.answer.set()
    keeper.release([hold(table)])
    keeper.close(5)
    late = hold(table, "r2")
    keeper.release([late])

    eventually(lambda: late.state is State.GONE)
    assert requests.sent == [["r1"], ["r2"]]


class Blocking(logging.Handler):
    """Blocks until it may go on.

    :ivar went_on: for each record, whether it might within five seconds.
    """

    def __init__(self):
        super().__init__()
        self.blocks, self.go_on = threading.Event(), threading.Event()
        self.went_on = []

    def emit(self, record):
        self.blocks.set()
        self.went_on.append(self.go_on.wait(5))


@pytest.fixture
def handler():
    handler, logger = Blocking(), logging.getLogger("django_sqs_kombu.transport.settling")
    logger.addHandler(handler)
    yield handler
    handler.go_on.set()
    logger.removeHandler(handler)


def test_a_log_handler_that_blocks_holds_up_no_other_message(
    keeper, table, requests, handler, eventually
):
    """It ran under the table's lock: nothing was deleted or renewed until it was done."""
    requests.answer.set()
    keeper.delete(hold(table))
    assert handler.blocks.wait(5)
    other = hold(table, "r2", "m2")

    keeper.delete(other)

    eventually(lambda: other.state is State.GONE)
    handler.go_on.set()
    eventually(lambda: handler.went_on)
    assert all(handler.went_on)
