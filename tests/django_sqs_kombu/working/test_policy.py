"""A queue's policy: one table says what becomes of each exception."""

import logging

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    MessageDecodeError,
    MessageTargetMissing,
    Policy,
    Receivers,
    RestartLater,
    Retry,
)
from django_sqs_kombu.exceptions import (
    EnvironmentFailure,
    KilledItsProcess,
    ReceiverFailed,
    TooOldToSendAgain,
)
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail
from django_sqs_kombu.transport.sqs.facts import ASSUMED_REDRIVE, RedrivePolicy
from django_sqs_kombu.working import FAILURE, Failure
from django_sqs_kombu.working.outcomes import settle
from django_sqs_kombu.working.table import TABLE, Action, Attempts, row_for, table_of

from .fakes import FakeDelivery, refused

POLICY = Policy(
    retry=(Retry(OSError, tries=3), Retry(ConnectionError, tries=5)),
    discard=(LookupError, FileNotFoundError),
    dead_letter=(ValueError,),
)
RETRY_ALL = Policy(retry=(Retry(tries=3),))


def action(raised, tries=1, policy=POLICY, receives=1):
    return row_for(raised, Attempts(receives, tries), table_of(policy)).action


@pytest.mark.parametrize(
    ("raised", "tries", "expected"),
    [
        (OSError(), 2, Action.REQUEUE),
        (OSError(), 3, Action.DEAD_LETTER),
        (ConnectionResetError(), 4, Action.REQUEUE),
        (ConnectionResetError(), 5, Action.DEAD_LETTER),
        (FileNotFoundError(), 1, Action.DISCARD),
        (KeyError(), 1, Action.DISCARD),
        (UnicodeError(), 1, Action.DEAD_LETTER),
        (ZeroDivisionError(), 1, Action.REJECT),
        (RestartLater(), 1_000, Action.REQUEUE),
        (EnvironmentFailure("S3"), 1_000, Action.REQUEUE),
        (KeyboardInterrupt(), 1, Action.RELEASE),
        (None, 1, Action.DELETE),
        (ReceiverFailed("text", FileNotFoundError), 1, Action.DISCARD),
        (MessageDecodeError("query", kind=KeyError), 1, Action.DISCARD),
        (MessageDecodeError("query", kind=OSError), 2, Action.REQUEUE),
    ],
)
def test_what_is_named_most_exactly_counts(raised, tries, expected):
    assert action(raised, tries) is expected


@pytest.mark.parametrize(
    "raised", [KilledItsProcess(3), TooOldToSendAgain("q", "id", 60), MessageDecodeError("no JSON")]
)
def test_what_no_try_can_help_is_not_tried(raised):
    assert action(raised, 1, RETRY_ALL) is Action.DEAD_LETTER
    assert action(raised, 1, Policy(retry=(Retry(OSError),))) is Action.REJECT


def test_a_body_is_tried_again_where_that_is_named():
    assert action(MessageDecodeError("x"), 1, Policy(retry=(Retry(MessageDecodeError),))) is (
        Action.REQUEUE
    )


def test_what_is_not_there_yet_may_come_before_the_policy_counts():
    missing = MessageTargetMissing("no row", kind=LookupError)

    assert action(missing, 4, receives=4) is Action.REQUEUE
    assert action(missing, 5, receives=5) is Action.DISCARD


def test_what_passes_for_the_registry_is_named_more_exactly_than_everything():
    passing = Retry((ConnectionError,), 10)
    table = table_of(RETRY_ALL, passing)

    assert row_for(ConnectionResetError(), Attempts(10, 10), table).action is Action.REQUEUE
    assert row_for(ConnectionResetError(), Attempts(11, 11), table).action is Action.DEAD_LETTER
    # Of the same class the queue's own counts.
    own = table_of(Policy(dead_letter=(ConnectionError,)), passing)
    assert row_for(ConnectionResetError(), table=own).action is Action.DEAD_LETTER


def test_nothing_named_is_the_table_of_old():
    assert table_of() == TABLE


def test_on_error_delete_deletes_whatever_fails():
    policy = Policy(retry=(Retry(OSError, tries=2),), on_error="delete")

    assert action(OSError(), 1, policy) is Action.REQUEUE
    assert action(OSError(), 2, policy) is Action.DISCARD
    assert action(ValueError(), 1, policy) is Action.DISCARD
    assert action(MessageDecodeError("x"), 1, policy) is Action.DISCARD


def test_a_queue_says_only_what_differs_from_its_registry():
    receivers = Receivers(
        "sqs-batch://", retry=Retry((OSError, ValueError)), discard=[KeyError], dead_letter=[]
    )
    plain = receivers.register("plain", print).policy
    own = receivers.register("own", print, retry=(), dead_letter=ValueError).policy
    other = receivers.register("other", print, discard=[OSError]).policy

    assert plain == Policy((Retry((OSError, ValueError)),), (KeyError,), ())
    assert own == Policy((), (KeyError,), (ValueError,))
    assert other == Policy((Retry(ValueError),), (OSError,), ())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retry": 3}, "retry must be a Retry"),
        ({"retry": "on"}, "retry must be a Retry"),
        ({"discard": "OSError"}, "discard must name exception classes"),
        ({"dead_letter": [3]}, "dead_letter must name exception classes"),
        ({"on_error": "ignore"}, "on_error must be 'delete'"),
        ({"discard": OSError, "dead_letter": [OSError]}, "OSError appears twice"),
        ({"on_error": "delete", "dead_letter": OSError}, "on_error='delete' cannot be combined"),
        (
            {"on_error": "delete", "dead_letter_queue": "dead"},
            "on_error='delete' cannot be combined",
        ),
    ],
)
def test_policies_that_cannot_work(options, says):
    with pytest.raises(ConfigurationError, match=f"Queue 'orders': {says}"):
        Receivers("sqs-batch://").register("orders", print, **options)


# Settling, by a delivery whose every way out can fail.


@pytest.fixture
def register():
    return lambda **options: Receivers("sqs-batch://").register("orders", print, **options)


def test_a_retry_keeps_the_message_with_the_pause_of_its_try(register, caplog):
    registered = register(retry=Retry(OSError, backoff=[10, 60], jitter=False))
    second = FakeDelivery(receive_count=2)

    assert settle(registered, second, None, OSError("away")) is Action.REQUEUE

    assert (second.done, second.sent) == ([("requeue", 60)], [])
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert "is tried again later: OSError('away')" in record.message


def test_before_sqs_would_bury_it_what_has_tries_left_is_sent_again(register):
    registered = register(retry=Retry(OSError, tries=9, backoff=70, jitter=False))
    last = FakeDelivery(
        receive_count=3, redrive=True, attributes={TRAIL: Trail("id-0", tries=3).attribute()}
    )

    assert settle(registered, last, None, OSError()) is Action.REQUEUE

    assert last.done == [("ack",)]
    [entry] = last.sent
    assert entry["DelaySeconds"] == 70
    trail = Trail.of(entry["MessageAttributes"])
    assert (trail.id, trail.tries) == ("id-0", 6)


def test_what_is_no_try_is_sent_again_and_not_counted(register):
    registered = register(retry=Retry(OSError, tries=9))
    delivery = FakeDelivery(receive_count=3)

    assert settle(registered, delivery, None, RestartLater(5)) is Action.REQUEUE

    assert delivery.done == [("ack",)]
    assert Trail.of(delivery.sent[0]["MessageAttributes"]).tries == 2


def test_in_a_fifo_queue_what_sqs_would_bury_is_buried_with_the_reason(register):
    registered = register(retry=Retry(OSError, tries=9))
    delivery = FakeDelivery(receive_count=3, redrive=True, queue="orders.fifo")

    assert settle(registered, delivery, None, OSError("away")) is Action.DEAD_LETTER

    assert delivery.done == [("ack",)]
    assert Failure.read(delivery.sent[0]["MessageAttributes"]).text == "away"


def test_a_dead_letter_is_deleted_only_after_it_was_sent(register, caplog):
    registered = register(dead_letter=OSError, dead_letter_queue="dead")
    delivery = FakeDelivery({"SendMessage": refused()})

    assert settle(registered, delivery, None, OSError("away")) is Action.REQUEUE

    assert delivery.done == [("requeue", None)]
    assert "could not be settled" in caplog.text


def test_without_a_dead_letter_queue_it_is_rejected(register):
    delivery = FakeDelivery()

    assert settle(register(dead_letter=OSError), delivery, None, OSError()) is Action.REJECT

    assert delivery.done == [("reject",)]


def test_a_message_with_ten_attributes_has_the_reason_in_its_envelope(register):
    ten = {f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(10)}
    registered = register(dead_letter=OSError, dead_letter_queue="dead")
    enveloped = FakeDelivery(attributes=ten)
    enveloped.sqs_body = '{"body": "x", "properties": {}}'
    plain = FakeDelivery(attributes=ten)

    for delivery in (enveloped, plain):
        assert settle(registered, delivery, None, OSError("away")) is Action.DEAD_LETTER
        assert set(delivery.sent[0]["MessageAttributes"]) == set(ten)

    assert f'"{FAILURE}": {{"error": "builtins.OSError"' in enveloped.sent[0]["MessageBody"]
    assert plain.sent[0]["MessageBody"] == "the body"


def test_a_message_near_the_limit_of_sqs_has_a_shorter_reason(register, caplog):
    registered = register(dead_letter=OSError, dead_letter_queue="dead")
    found = []
    for room in (20_000, 600, 0):
        delivery = FakeDelivery()
        delivery.sqs_body = "x" * (1024 * 1024 - 100 - room)
        raised = OSError("a" * 100)
        raised.__cause__ = ReceiverFailed("line\n" * 100)
        assert settle(registered, delivery, None, raised) is Action.DEAD_LETTER
        found.append(Failure.read(delivery.sent[0]["MessageAttributes"]))

    long, short, none = found
    assert long.traceback
    assert (short.text, short.traceback) == ("a" * 100, "")
    assert none is None


def test_what_was_deleted_on_start_is_retried_and_buried_all_the_same(register):
    registered = register(
        delete_on_start=True,
        retry=Retry(OSError, tries=2, backoff=7, jitter=False),
        dead_letter_queue="dead",
    )
    first, second = FakeDelivery(), FakeDelivery(receive_count=2)
    for delivery in (first, second):
        delivery.delete_now()
        settle(registered, delivery, None, OSError("away"))

    assert first.sent[0]["DelaySeconds"] == 7
    assert Trail.of(first.sent[0]["MessageAttributes"]).tries == 1
    assert Failure.read(second.sent[0]["MessageAttributes"]).receives == 2


@pytest.mark.parametrize(
    ("suffix", "redrive", "sent", "done"),
    [
        (".fifo", ASSUMED_REDRIVE, 0, "requeue"),
        (".fifo", RedrivePolicy("arn:dead", 1), 1, "ack"),
        # It is sent again, with its tries.
        ("", ASSUMED_REDRIVE, 1, "ack"),
    ],
)
def test_a_fifo_queues_message_with_tries_left_is_not_buried_in_doubt(suffix, redrive, sent, done):
    registered = Receivers("sqs-batch://").register(
        f"q{suffix}", print, retry=Retry(OSError, tries=9), dead_letter_queue=f"dead{suffix}"
    )
    delivery = FakeDelivery(queue=f"q{suffix}")
    delivery.channel.requests.redrive = redrive
    delivery.sqs_message["Attributes"]["MessageGroupId"] = "g"

    settle(registered, delivery, None, OSError("away"))

    assert (len(delivery.sent), [name for name, *_ in delivery.done]) == (sent, [done])


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {},
        {"StringValue": "no JSON"},
        {"StringValue": "[]"},
        {"StringValue": "[" * 99_999},
        {"StringValue": "x" * 200_000},
    ],
)
def test_an_attribute_that_is_no_failure_is_none(odd):
    assert Failure.read({FAILURE: odd}) is None


def test_a_failure_is_read_as_far_as_it_is_right():
    text = '{"error": 3, "text": "t", "receives": "x", "sent": 1e999, "failed": 5, "more": 1}'

    assert Failure.read({FAILURE: {"StringValue": text}}) == Failure(text="t", failed=5.0)


def test_an_exception_whose_text_fails_is_told_by_its_class(register):
    class Odd(Exception):
        def __str__(self):
            raise ZeroDivisionError

    registered = register(dead_letter=Odd, dead_letter_queue="dead")
    delivery = FakeDelivery()

    assert settle(registered, delivery, None, Odd()) is Action.DEAD_LETTER
    assert "Odd" in Failure.read(delivery.sent[0]["MessageAttributes"]).text
