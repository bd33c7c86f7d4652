"""Settlements: tried until SQS has confirmed them, or their message is not ours any more."""

import logging

import pytest

from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.table import HeldMessages
from django_sqs_kombu.transport.settling.settlements import MOST_TOLD, Settlement, Settlements

#: What a real failure says of itself by its code.
PASSING = [
    *("ServiceUnavailable", "ThrottlingException", "InternalError"),
    *("ExpiredToken", "RequestExpired"),
]


def failure(code):
    return RequestFailed(
        code,
        operation="DeleteMessageBatch",
        queue="q",
        code=code,
        lost=code == "ReceiptHandleIsInvalid",
        passing=code in PASSING,
    )


def ripe(settlements, now):
    """The first batch that is to be sent now, if there is one."""
    return next(iter(settlements.all_ripe(now, 1)), None)


@pytest.fixture
def table():
    return HeldMessages()


@pytest.fixture
def settlements(table):
    return Settlements(table)


@pytest.fixture
def decide(table, settlements):
    def decide(number, seconds=None, *, queue="q", due=0.1, lease=60):
        message = {"ReceiptHandle": f"{queue}-{number}", "MessageId": f"{queue}-{number}"}
        held = Held(queue, message, lease, 0.0)
        table.receive(held, State.DELIVERED)
        table.settle(held, delete=seconds is None)
        settlements.add(Settlement(held, seconds, due))
        return held

    return decide


def test_ten_go_at_once_and_fewer_after_the_linger(settlements, decide):
    for number in range(11):
        decide(number)

    assert len(ripe(settlements, 0.0).settlements) == 10
    assert ripe(settlements, 0.0) is None
    assert len(ripe(settlements, 0.1).settlements) == 1
    assert ripe(settlements, 1.0) is None


def test_deletes_and_visibility_changes_of_each_queue_are_requests_of_their_own(
    settlements, decide
):
    decide(1), decide(2, 5), decide(3, queue="p")

    batches = [ripe(settlements, 1.0) for _ in range(3)]

    assert [(batch.queue, batch.deletes, batch.seconds) for batch in batches] == [
        ("q", True, []),
        ("q", False, [5]),
        ("p", True, []),
    ]


def test_a_message_is_held_until_its_settlement_is_confirmed(settlements, table, decide):
    held = decide(1)
    batch = ripe(settlements, 1.0)
    assert held.state is State.SETTLING

    [confirmed] = settlements.answered(batch, [None], 1.0)

    assert confirmed.held is held
    assert held.state is State.GONE
    assert len(table) == 0
    assert settlements.done


#: Of the credentials, the clock and the permission: somebody may put them right.
REPAIRABLE = [
    *("AccessDenied", "com.amazonaws.sqs#AccessDeniedException", "NotAuthorized"),
    *("ExpiredToken", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException"),
    *("SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"),
]
FINAL = [
    *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
    *("InvalidParameterValue", "InvalidBatchEntryId"),
]


@pytest.mark.parametrize("code", ["ServiceUnavailable", "ThrottlingException", *REPAIRABLE])
def test_what_can_pass_is_tried_again_with_growing_pauses(settlements, decide, code):
    """One refusal of keys that were being exchanged, and the message ran twice."""
    held = decide(1)
    now, pauses = 1.0, []
    for _ in range(6):
        batch = ripe(settlements, now)
        settlements.failed(batch, failure(code), now)
        pauses.append(settlements.next_due() - now)
        now = settlements.next_due()

    assert held.state is State.SETTLING
    assert pauses == pytest.approx([0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_a_partial_failure_is_tried_again_alone(settlements, decide):
    decide(1), decide(2)
    batch = ripe(settlements, 1.0)

    settlements.answered(batch, [None, failure("InternalError")], 1.0)

    assert [each.held.tag for each in ripe(settlements, 10.0).settlements] == ["q-2"]


@pytest.mark.parametrize("code", REPAIRABLE)
def test_what_is_refused_in_its_entry_is_tried_again_too(settlements, decide, code):
    decide(1)

    settlements.answered(ripe(settlements, 1.0), [failure(code)], 1.0)

    assert len(ripe(settlements, 2.0).settlements) == 1


@pytest.mark.parametrize("code", FINAL)
def test_what_cannot_pass_is_given_up_and_logged(settlements, table, decide, caplog, code):
    decide(1)

    settlements.failed(ripe(settlements, 1.0), failure(code), 1.0)

    assert settlements.done
    assert len(table) == 0
    assert "could not be settled" in caplog.text


def test_a_visibility_change_that_no_policy_allows_is_left_to_the_timeout(
    settlements, decide, caplog
):
    """Held on to, it could come again, and be taken for what is to be hidden."""
    held = decide(1, 900)

    settlements.failed(ripe(settlements, 1.0), failure("AccessDenied"), 1.0)

    assert held.state is State.GONE
    assert "could not be settled" in caplog.text


def test_a_visibility_change_waits_for_keys_that_are_accepted(settlements, decide):
    held = decide(1, 900)

    settlements.failed(ripe(settlements, 1.0), failure("InvalidClientTokenId"), 1.0)

    assert held.state is State.SETTLING
    assert ripe(settlements, 2.0).seconds == [900]


@pytest.mark.parametrize(
    ("code", "level"), [("AccessDenied", "ERROR"), ("InvalidClientTokenId", "WARNING")]
)
def test_what_keeps_failing_is_told_once_a_minute(settlements, decide, caplog, code, level):
    """As an error if a permission is missing: nothing else says why soon nothing is received."""
    decide(1, lease=600)
    now = 1.0
    while now < 130:
        settlements.failed(ripe(settlements, now), failure(code), now)
        now = settlements.next_due()

    told = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.levelname for r in told] == [level] * 3
    assert {r.getMessage() for r in told} == {
        f"Message q-1 of queue q was not settled, trying again: {code}"
    }


def test_where_some_requests_fail_for_hours_the_log_is_not_filled(settlements, decide, caplog):
    """Each message was told of whose first try failed: of a busy queue, hundreds a second."""
    for number in range(500):
        now = 1.0 + number / 10
        decide(number, lease=600)
        settlements.failed(ripe(settlements, now), failure("ServiceUnavailable"), now)

    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 1 <= len(told) <= MOST_TOLD


def test_a_missing_permission_is_an_error_once_for_all_messages_of_a_queue(
    settlements, decide, caplog
):
    decide(1), decide(2)
    settlements.failed(ripe(settlements, 1.0), failure("ServiceUnavailable"), 1.0)
    settlements.failed(ripe(settlements, 2.0), failure("AccessDenied"), 2.0)
    decide(3), decide(4, queue="other", due=9.0)
    settlements.failed(ripe(settlements, 3.0), failure("AccessDenied"), 3.0)
    settlements.failed(ripe(settlements, 9.0), failure("AccessDenied"), 9.0)
    settlements.failed(ripe(settlements, 9.0), failure("AccessDenied"), 9.0)

    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert [text.split()[1] for text in errors] == ["q-1", "other-4"]


def test_it_is_given_up_when_the_lease_is_long_over(settlements, decide, caplog):
    held = decide(1, lease=15)
    settlements.failed(ripe(settlements, 1.0), failure("ServiceUnavailable"), 30.0)
    assert held.state is State.SETTLING

    settlements.failed(ripe(settlements, 100.0), failure("ServiceUnavailable"), 100.0)

    assert held.state is State.GONE
    assert "could not be settled" in caplog.text


def test_a_lost_receipt_ends_it(settlements, decide, caplog):
    held = decide(1)

    settlements.answered(ripe(settlements, 1.0), [failure("ReceiptHandleIsInvalid")], 1.0)

    assert held.state is State.GONE
    assert "no longer held here" in caplog.text


def test_a_message_that_comes_again_before_its_delete_is_deleted_by_the_new_receipt(
    settlements, table, decide
):
    decide(1)
    batch = ripe(settlements, 1.0)
    again = Held("q", {"ReceiptHandle": "new", "MessageId": "q-1"}, 60, 1.0)
    assert not table.receive(again)

    settlements.answered(batch, [None], 1.0)

    assert [m["ReceiptHandle"] for m in ripe(settlements, 1.0).messages] == ["new"]


def test_one_given_back_that_comes_at_once_is_a_new_message(settlements, table, decide):
    decide(1, 0)
    batch = ripe(settlements, 1.0)
    again = Held("q", {"ReceiptHandle": "new", "MessageId": "q-1"}, 60, 1.0)

    assert table.receive(again)
    settlements.answered(batch, [None], 1.0)

    assert table.get("new") is again
    assert again.state is State.WAITING


def test_a_visibility_change_is_cut_to_what_is_left_of_twelve_hours(settlements, decide):
    decide(1, 43_200)

    assert ripe(settlements, 100.0).seconds == [43_200 - 100 - 1]


def test_a_visibility_change_waits_for_a_renewal_under_way(settlements, decide):
    held = decide(1, 900)
    held.renewals = 1
    assert ripe(settlements, 1.0) is None

    held.renewals = 0
    assert ripe(settlements, 1.1).seconds == [900]
    assert held.hiding


def test_what_is_left_at_the_end_is_logged(settlements, decide, caplog):
    decide(1)

    with caplog.at_level(logging.ERROR):
        settlements.give_up("closed")

    assert "Message q-1 of queue q could not be settled" in caplog.text
    assert settlements.done


@pytest.mark.parametrize("code", REPAIRABLE)
def test_at_a_close_what_sqs_refuses_is_given_up_soon(settlements, table, decide, caplog, code):
    """It was waited for, for 10 seconds, whatever the grace period.

    Once more, with a pause, for keys that were exchanged a moment ago.
    """
    decide(1)
    settlements.hasten(1.0)

    settlements.failed(ripe(settlements, 1.0), failure(code), 1.0)
    assert len(table) == 1
    settlements.failed(ripe(settlements, 1.4), failure(code), 1.4)

    waits = code in PASSING
    assert settlements.done is not waits
    assert len(table) == waits
    assert ("Message q-1 of queue q could not be settled" in caplog.text) is not waits


def test_at_a_close_what_was_refused_is_tried_once_more(settlements, decide, caplog):
    decide(1), decide(2)
    settlements.failed(ripe(settlements, 1.0), failure("InvalidClientTokenId"), 1.0)
    assert ripe(settlements, 1.1) is None

    settlements.hasten(1.1)
    settlements.answered(ripe(settlements, 1.1), [None, failure("InvalidClientTokenId")], 1.1)

    assert settlements.done
    assert "Message q-1 of queue q could not be settled" not in caplog.text
    assert "Message q-2 of queue q could not be settled" in caplog.text


def test_at_a_close_what_passes_by_itself_keeps_its_pause(settlements, decide):
    held = decide(1)
    settlements.failed(ripe(settlements, 1.0), failure("ServiceUnavailable"), 1.0)

    settlements.hasten(1.1)

    assert ripe(settlements, 1.1) is None
    settlements.failed(ripe(settlements, 2.0), failure("ServiceUnavailable"), 2.0)
    assert held.state is State.SETTLING
