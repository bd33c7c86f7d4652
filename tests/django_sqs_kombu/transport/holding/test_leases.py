"""Leases: what is held stays invisible until SQS has confirmed what became of it."""

import logging
import threading
import time
from collections import Counter

import kombu
import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.leases import Leases
from django_sqs_kombu.transport.holding.table import HeldMessages
from django_sqs_kombu.transport.sqs.failures import refused

#: Waits for leases and polls to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow

SECONDS = 3_000
OPERATION = "ChangeMessageVisibilityBatch"


def failure(code):
    return RequestFailed(
        code,
        operation=OPERATION,
        queue="q",
        code=code,
        lost=code == "ReceiptHandleIsInvalid",
        passing=code != "AccessDenied",
    )


@pytest.fixture
def table():
    return HeldMessages()


@pytest.fixture
def leases(table):
    return Leases(table, stale=lambda held, now: held.tag == "q-stale")


@pytest.fixture
def hold(table, leases):
    def hold(number, *, queue="q", at=0.0, seconds=SECONDS, state=State.DELIVERED):
        message = {"ReceiptHandle": f"{queue}-{number}", "MessageId": f"{queue}-{number}"}
        held = Held(queue, message, seconds, at)
        table.receive(held, state)
        leases.add([held])
        return held

    return hold


@pytest.fixture
def renewal_at(leases):
    """What is to be renewed at a time, if it is of one request; None: nothing."""

    def renewal_at(now):
        _, renewals = leases.due(now)
        return renewals[0] if renewals else None

    return renewal_at


def test_a_lease_is_renewed_when_a_third_of_its_time_is_left(leases, hold, renewal_at):
    hold(1)

    assert leases.next_due() == 2_000
    assert renewal_at(1_999) is None
    renewal = renewal_at(2_001)
    assert [held.tag for held in renewal.held] == ["q-1"]
    assert renewal.seconds == [SECONDS]


@pytest.mark.parametrize(("seconds", "margin"), [(60, 20), (30, 15), (6, 3), (43_200, 14_400)])
def test_short_timeouts_leave_more_of_their_time_for_a_renewal(leases, hold, seconds, margin):
    hold(1, seconds=seconds)

    assert leases.next_due() == seconds - margin


def test_renewals_of_a_queue_share_requests(leases, hold):
    for number in range(12):
        hold(number)
    hold("other", queue="p")

    _, renewals = leases.due(2_001)

    batches = [(renewal.queue, len(renewal.held)) for renewal in renewals]
    assert sorted(batches) == [("p", 1), ("q", 2), ("q", 10)]


def test_one_that_is_nearly_due_goes_along(leases, hold, renewal_at):
    due, nearly, _ = hold("due", at=0), hold("nearly", at=200), hold("fresh", at=2_000)

    assert renewal_at(2_001).held == [due, nearly]


@pytest.mark.parametrize("state", [State.WAITING, State.DELIVERED, State.SETTLING])
def test_a_message_is_renewed_in_every_state_that_is_not_the_end(
    leases, table, hold, state, renewal_at
):
    held = hold(1, state=state)
    assert renewal_at(2_001).held == [held]

    table.end(held)
    assert renewal_at(10_000) is None


def test_only_what_waits_is_stale(leases, hold):
    waits, kept = hold("stale", state=State.WAITING), hold(2)

    assert leases.due(1_999) == ([], [])
    stale, [renewal] = leases.due(2_001)
    assert stale == [waits]
    assert renewal.held == [kept]


def test_what_was_stale_and_is_kept_all_the_same_is_looked_at_again_soon(leases, hold):
    waits = hold("stale", state=State.WAITING)

    assert leases.due(2_001) == ([waits], [])
    assert leases.due(2_002) == ([], [])
    assert 2_002 < leases.next_due() <= 2_006 < waits.expires_at


def test_what_could_not_be_hidden_is_renewed_again(leases, hold, renewal_at):
    held = hold(1)
    held.hiding = True
    assert renewal_at(2_001) is None

    held.hiding = False

    assert leases.next_due() < held.expires_at
    assert renewal_at(leases.next_due()).held == [held]


def test_a_lost_lease_is_not_renewed_again(leases, hold, renewal_at):
    held = hold(1)

    leases.answered(renewal_at(2_001), [failure("ReceiptHandleIsInvalid")], 2_001)

    assert renewal_at(10_000) is None
    assert held.expires_at <= 2_002


def test_a_failed_renewal_is_tried_again_soon(leases, hold, renewal_at):
    held = hold(1)

    leases.failed(renewal_at(2_001), failure("ServiceUnavailable"), 2_001)

    assert renewal_at(2_007).held == [held]
    assert held.expires_at > 2_007


def test_what_keeps_failing_is_told_once_a_minute_for_each_queue(leases, hold, caplog):
    """Of several queues nobody heard of all but one."""
    hold(1, seconds=60), hold(1, queue="p", seconds=60)
    now = 41.0
    while now < 41 + 130:
        for renewal in leases.due(now)[1]:
            leases.failed(renewal, failure("ServiceUnavailable"), now)
        now = leases.next_due()

    told = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    says = "1 leases of queue {} were not renewed, trying again: ServiceUnavailable"
    assert Counter(told) == {says.format("q"): 3, says.format("p"): 3}


def test_a_renewal_without_an_answer_is_tried_again_beside_it(leases, hold, renewal_at):
    held = hold(1)
    first = renewal_at(2_001)

    second = renewal_at(2_007)
    leases.answered(second, [None], 2_007)
    leases.failed(first, failure("ReadTimeoutError"), 2_008)

    assert held.expires_at == 2_007 + SECONDS
    assert held.renewals == 0


def test_an_answer_about_an_earlier_receipt_says_nothing_of_the_latest(
    leases, table, hold, renewal_at
):
    held = hold(1)
    renewal = renewal_at(2_001)
    again = Held("q", {"ReceiptHandle": "new", "MessageId": "q-1"}, SECONDS, 2_002)
    assert not table.receive(again)

    leases.answered(renewal, [failure("ReceiptHandleIsInvalid")], 2_003)

    assert held.renewed
    assert held.expires_at == 2_002 + SECONDS


def test_nothing_is_held_for_more_than_twelve_hours(leases, hold, renewal_at):
    held = hold(1, seconds=30_000)

    renewal = renewal_at(20_001)
    assert renewal.seconds == [43_200 - 20_001 - 1]
    leases.answered(renewal, [None], 20_001)

    assert not held.renewed
    assert renewal_at(43_000) is None


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidClientTokenId", "InvalidParameterValue"])
@pytest.mark.parametrize("seconds", [18_000, 43_200])
def test_a_refused_renewal_of_a_long_lease_is_tried_again(
    leases, hold, renewal_at, caplog, code, seconds
):
    """It was taken for the limit of 12 hours, and the message ran twice."""
    held = hold(1, seconds=seconds)
    at = leases.next_due() + 1

    leases.answered(renewal_at(at), [refused(OPERATION, "q", code, "Not now!")], at)
    leases.failed(renewal_at(at + 6), refused(OPERATION, "q", code, "Not now!"), at + 6)

    assert renewal_at(at + 12).held == [held]
    assert "12 hours" not in caplog.text
    assert "were not renewed, trying again" in caplog.text


def test_what_sqs_says_is_at_its_limit_of_twelve_hours_is_not_renewed_again(
    leases, hold, renewal_at, caplog
):
    held = hold(1, seconds=30_000)
    limit = (
        "Value 23198 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout "
        "for the message is beyond the limit [43200 seconds]."
    )

    error = refused(OPERATION, "q", "InvalidParameterValue", limit)
    leases.answered(renewal_at(20_001), [error], 20_001)

    assert not held.renewed
    assert renewal_at(29_000) is None
    assert "was held for 12 hours" in caplog.text


def test_while_its_visibility_is_set_it_is_not_renewed(leases, hold, renewal_at):
    held = hold(1)
    held.hiding = True

    assert renewal_at(2_001) is None


@pytest.mark.parametrize("threads", [1, 4])
def test_a_receiver_of_five_visibility_timeouts_runs_once(receivers, threads, server):
    runs, lock = Counter(), threading.Lock()

    def receive(message):
        with lock:
            runs[message.get_body()] += 1
        if message.get_body() == "long":
            time.sleep(10)

    queue = receivers.register("orders", receive, visibility_timeout=2)
    receivers.send("orders", body="long")
    consumer = ReceiverConsumer(receivers, threads=threads, message_limit=11)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    time.sleep(1)
    receivers.send_many("orders", map(str, range(10)))
    thread.join(40)

    assert not thread.is_alive()
    assert set(runs.values()) == {1}
    assert len(runs) == 11
    assert server.count("ChangeMessageVisibilityBatch", queue.full_name()) >= 6


def test_the_leases_of_a_plain_kombu_consumer_follow_the_queues_own_timeout(receivers, sqs, counts):
    name = f"{receivers.prefix}__plain"
    sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})
    connection = receivers.new_connection()
    kombu.Producer(connection).publish("x", routing_key=name)
    held = []
    with connection, kombu.Consumer(connection, [kombu.Queue(name)], on_message=held.append):
        connection.drain_events(timeout=5)
        time.sleep(4)

        assert counts(name) == (0, 1, 0)
        assert not held[0].expired


def test_a_consumer_that_is_stuck_asks_for_nothing_more(receivers, server, eventually, counts):
    go_on, started = threading.Event(), threading.Event()

    def receive(message):
        started.set()
        go_on.wait(20)

    queue = receivers.register("orders", receive, visibility_timeout=3)
    name = queue.full_name()
    receivers.send_many("orders", map(str, range(12)))
    consumer = ReceiverConsumer(receivers)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    started.wait(10)
    # Nothing was received but what somebody was there to run.
    eventually(lambda: counts(name) == (11, 1, 0))
    asked = server.count("ReceiveMessage", name)

    time.sleep(3)

    assert server.count("ReceiveMessage", name) == asked
    assert counts(name) == (11, 1, 0)
    consumer.stop()
    go_on.set()
    thread.join(20)
    assert not thread.is_alive()
