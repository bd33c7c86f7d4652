"""A message is sent again under the same identity, and never lost for want of room or time."""

import time
from types import SimpleNamespace

import pytest

from django_sqs_kombu import MessageEncodeError, PayloadUnavailable, RequestFailed
from django_sqs_kombu.exceptions import TooOldToSendAgain
from django_sqs_kombu.transport.sending import resending
from django_sqs_kombu.transport.sending.resending import send_again
from django_sqs_kombu.transport.sending.trail import TRAIL, Trail
from django_sqs_kombu.transport.settling.backoff import Backoff
from django_sqs_kombu.transport.sqs.facts import QueueFacts
from django_sqs_kombu.transport.sqs.failures import refused

AWAY = RequestFailed("away", operation="SendMessage", queue="q", code="503", passing=True)
REFUSED = RequestFailed("no", operation="SendMessage", queue="q", code="InvalidMessageContents")


class Requests:
    def __init__(self, failures, retention):
        self.failures = list(failures)
        self.retention = retention
        self.sent = []

    def send_batch(self, queue, batch):
        if self.failures:
            raise self.failures.pop(0)
        self.sent += batch
        return [None] * len(batch)

    def facts(self, queue):
        return QueueFacts(30, None, known=True, retention=self.retention)


@pytest.fixture
def delivery():
    """A held message: its attributes, and what SQS and S3 answer."""

    def delivery(queue="q", attributes=(), trail=None, failures=(), retention=345_600, **system):
        own = {name: {"DataType": "String", "StringValue": "x"} for name in attributes}
        received = {
            "MessageId": "first",
            "Body": "pointer",
            "Attributes": {"SentTimestamp": str(int(time.time() * 1000) - 5000), **system},
            "MessageAttributes": own | ({} if trail is None else {TRAIL: trail.attribute()}),
        }
        channel = SimpleNamespace(
            requests=Requests(failures, retention),
            backoff=Backoff(10, 900, jitter=False),
            payloads=SimpleNamespace(offload=lambda entry: entry),
        )
        return SimpleNamespace(
            queue=queue,
            message_id="first",
            sqs_message=received,
            sqs_body="the payload itself",
            channel=channel,
        )

    return delivery


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    slept = []
    monkeypatch.setattr(resending.time, "sleep", slept.append)
    return slept


def sent(delivery):
    [entry] = delivery.channel.requests.sent
    return entry, Trail.of(entry.get("MessageAttributes"))


def test_it_keeps_its_id_and_counts_its_restarts(delivery):
    once = delivery(attributes=["mine"], MessageGroupId="tenant")

    send_again(once)

    entry, trail = sent(once)
    assert (trail.id, trail.restarts) == ("first", 1)
    assert trail.sent == pytest.approx(time.time() - 5, abs=60)
    assert entry["MessageBody"] == "the payload itself"
    assert entry["MessageAttributes"]["mine"]["StringValue"] == "x"
    assert entry["MessageGroupId"] == "tenant"
    assert 9 <= entry["DelaySeconds"] <= 10


def test_the_third_restart_is_still_known_as_the_first_message(delivery):
    again = delivery(trail=Trail("the very first", restarts=2, sent=time.time() - 1000))

    send_again(again, 0)

    entry, trail = sent(again)
    assert (trail.id, trail.restarts) == ("the very first", 3)
    assert trail.sent == pytest.approx(time.time() - 1000, abs=60)
    assert entry["DelaySeconds"] == 0


def test_a_long_delay_hops(delivery):
    later = delivery()

    send_again(later, 5000)

    entry, trail = sent(later)
    assert entry["DelaySeconds"] == 900
    assert trail.due == pytest.approx(time.time() + 5000, abs=60)


def test_a_fifo_message_stays_in_its_group_with_an_id_of_each_restart(delivery):
    grouped = delivery("q.fifo", MessageGroupId="g")

    send_again(grouped, 5000)

    entry, _ = sent(grouped)
    assert (entry["MessageGroupId"], entry["MessageDeduplicationId"]) == ("g", "first-1")
    assert "DelaySeconds" not in entry


@pytest.mark.parametrize("text", ["", "{", '{"restarts": "many"}', '{"restarts": -1}'])
def test_a_malformed_trail_is_no_reason_to_fail(delivery, text):
    odd = delivery(trail=Trail("x"))
    odd.sqs_message["MessageAttributes"][TRAIL]["StringValue"] = text

    send_again(odd, 0, deleted=True)

    assert sent(odd)[1].restarts == 1


def test_it_is_not_sent_again_beyond_its_queues_retention(delivery):
    old = delivery(trail=Trail(sent=time.time() - 3000), retention=3600)

    send_again(old, 100)
    with pytest.raises(TooOldToSendAgain, match=r"older than the 3,600 s for which"):
        send_again(old, 900)


def test_ten_attributes_of_its_senders_leave_it_with_the_caller(delivery):
    full = delivery(attributes=map(str, range(10)))

    with pytest.raises(MessageEncodeError, match="cannot be sent again"):
        send_again(full, 0)

    assert full.channel.requests.sent == []


def test_what_was_deleted_goes_rather_without_its_id_than_not_at_all(delivery):
    full = delivery(attributes=map(str, range(10)), trail=None, retention=1)

    send_again(full, 0, deleted=True)

    entry, trail = sent(full)
    assert len(entry["MessageAttributes"]) == 10
    assert not trail


def test_what_was_deleted_and_has_no_room_for_its_id_goes_without(delivery):
    large = delivery()
    large.sqs_body = "x" * 1_048_576

    send_again(large, 0, deleted=True)

    assert sent(large)[0]["MessageBody"] == large.sqs_body


def test_what_was_deleted_is_tried_again_while_sqs_or_s3_is_away(delivery, pauses):
    gone = delivery(failures=[AWAY, AWAY])
    answers = iter([PayloadUnavailable("S3 is away"), MessageEncodeError("S3 is away")])

    def offload(entry):
        if (error := next(answers, None)) is not None:
            raise error
        return entry

    gone.channel.payloads.offload = offload

    send_again(gone, 0, deleted=True)

    assert sent(gone)[1].restarts == 1
    assert sum(pauses) == pytest.approx(0.5 + 1 + 2 + 4)


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "SignatureDoesNotMatch", "AccessDenied"])
def test_what_was_deleted_is_tried_again_while_keys_or_policies_are_changed(delivery, pauses, code):
    """It was lost at the first refusal."""
    changing = delivery(failures=[refused("SendMessage", "q", code, "Not now!")] * 2)

    send_again(changing, 0, deleted=True)

    assert sent(changing)[1].restarts == 1
    assert sum(pauses) == pytest.approx(0.5 + 1)


DENIED = refused("SendMessage", "q", "AccessDenied", "No!")


def test_what_was_deleted_and_is_refused_is_lost_at_once_when_the_worker_stops(
    delivery, pauses, caplog
):
    """It was tried beyond the grace period, and the worker cut off without a word of it."""
    gone = delivery(failures=[DENIED] * 9)

    with pytest.raises(RequestFailed):
        send_again(gone, 0, deleted=True, stops=lambda: True)

    assert len(gone.channel.requests.failures) == 8
    assert pauses == []
    assert "is lost" in caplog.text


def test_a_stop_during_a_pause_leaves_one_more_try(delivery, pauses):
    kept, lost = delivery(failures=[DENIED] * 5), delivery(failures=[DENIED] * 9)

    def stops():
        return len(pauses) >= 80

    send_again(kept, 0, deleted=True, stops=stops)
    slept = sum(pauses)
    pauses.clear()
    with pytest.raises(RequestFailed):
        send_again(lost, 0, deleted=True, stops=stops)

    assert slept == sum(pauses) == pytest.approx(8)
    assert len(lost.channel.requests.failures) == 9 - 6


def test_what_passes_by_itself_is_waited_for_at_a_stop(delivery, pauses):
    waiting = delivery(failures=[AWAY] * 3)

    send_again(waiting, 0, deleted=True, stops=lambda: True)

    assert sum(pauses) == pytest.approx(0.5 + 1 + 2)


def test_what_was_deleted_and_is_refused_for_good_is_told(delivery, caplog):
    """With its body, as far as it may be shown, by whoever settles it: see test_outcomes."""
    gone = delivery(failures=[REFUSED])

    with pytest.raises(RequestFailed):
        send_again(gone, 0, deleted=True)

    assert "is lost" in caplog.text
    assert "the payload itself" not in caplog.text


def test_what_is_still_held_fails_at_once(delivery, pauses):
    held = delivery(failures=[AWAY])

    with pytest.raises(RequestFailed):
        send_again(held, 0)

    assert pauses == []
