"""Failed messages are sent again, edited, discarded, pruned, and taken out of the dead letters."""

import base64
import json
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

import django_sqs
from django_sqs.failures import deciding
from django_sqs.failures.deciding import discard, edited, send_again
from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs_kombu import RawMessage
from django_sqs_kombu.messages import JSONMessage
from django_sqs_kombu.transport import Trail
from django_sqs_kombu.transport.sending.trail import TRAIL

from ..commands import as_json, run

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_a_failed_message_is_sent_again_as_it_was(mend, work, seen):
    mended = mend("d1")
    django_sqs.send("d1", body="one", attributes={"tenant": "acme"})
    work("d1")
    mended()

    decided = send_again(Failure.objects.all(), by="root", limit=10)
    work("d1")

    assert (decided.done, decided.refused) == (1, 0)
    [(body, _, attributes, _)] = seen
    assert body == "one"
    assert attributes["tenant"]["StringValue"] == "acme"
    row = Failure.objects.get()
    assert (row.state, row.changed_by) == (State.SENT, "root")
    assert FailureGroup.objects.get().waiting == 0
    assert send_again(Failure.objects.all(), by="root", limit=10).done == 0


def test_it_keeps_its_identity(mend, work, seen):
    mended = mend("d2")
    django_sqs.send("d2", body="one")
    work("d2")
    first = Failure.objects.get().message_id
    mended()
    send_again(Failure.objects.all(), by="root", limit=1)
    work("d2")

    [(_, later, attributes, _)] = seen
    assert later == first
    assert Trail.of(attributes).id == first


def test_it_keeps_its_cursor_and_its_trace_and_has_all_its_tries(mend, work, seen, sqs, prefix):
    mended = mend("d2b")
    django_sqs.send("d2b", body="one")
    work("d2b")
    Failure.objects.all().delete()
    trail = Trail(id="known-as", restarts=3, tries=5, cursor={"page": 7}).attribute()
    header = {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=f"{prefix}__d2b")["QueueUrl"],
        MessageBody=base64.b64encode(b"two").decode(),
        MessageAttributes={TRAIL: trail},
        MessageSystemAttributes={"AWSTraceHeader": header},
    )
    work("d2b")
    mended()
    send_again(Failure.objects.all(), by="root", limit=1)
    work("d2b")

    [(_, _, attributes, message)] = seen
    assert message.cursor == {"page": 7}
    assert Trail.of(attributes) == Trail(id="known-as", cursor={"page": 7})
    assert message.attributes["AWSTraceHeader"] == header["StringValue"]


@pytest.mark.parametrize("armoured", [False, True])
def test_an_edited_body_goes_into_an_envelope_of_others_too(
    mend, work, seen, sqs, prefix, armoured
):
    mended = mend("d3b", message_class=JSONMessage)
    django_sqs.send("d3b", body={})
    work("d3b")
    Failure.objects.all().delete()
    envelope = {
        "body": base64.b64encode(b'{"sum": 1}').decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"kept": "yes"},
        "properties": {"body_encoding": "base64", "delivery_info": {}, "kept": "as well"},
    }
    body = json.dumps(envelope)
    if armoured:
        body = base64.b64encode(body.encode()).decode()
    url = sqs.get_queue_url(QueueName=f"{prefix}__d3b")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body)
    work("d3b")
    mended()
    send_again(Failure.objects.all(), by="root", limit=1, text='{"sum": 2}')
    work("d3b")

    [(found, *_)] = seen
    assert found == {"sum": 2}
    assert edited(body, "x").startswith("{") is not armoured


def test_an_edited_body_without_an_envelope_is_all_there_is(mend, work, seen):
    mended = mend("d14", message_class=RawMessage, wire_format="raw")
    django_sqs.send("d14", body="one")
    work("d14")
    mended()
    send_again(Failure.objects.all(), by="root", limit=1, text="two")
    work("d14")

    assert [body for body, *_ in seen] == ["two"]


def test_an_edited_body_goes_into_the_same_envelope(mend, work, seen):
    mended = mend("d3", message_class=JSONMessage)
    django_sqs.send("d3", body={"sum": 1})
    work("d3")
    mended()

    row = Failure.objects.get()
    assert json.loads(row.text) == {"sum": 1}
    send_again(Failure.objects.all(), by="root", limit=1, text='{"sum": 2}')
    work("d3")

    assert [body for body, *_ in seen] == [{"sum": 2}]


def test_a_fifo_queue_gets_it_in_its_group(mend, work, seen):
    mended = mend("d4.fifo")
    django_sqs.send("d4.fifo", body="one", group_id="g")
    work("d4.fifo")
    mended()

    assert send_again(Failure.objects.all(), by="root", limit=1).done == 1
    work("d4.fifo")

    [(_, _, _, message)] = seen
    assert message.attributes["MessageGroupId"] == "g"


def test_what_sqs_refuses_waits_on_and_says_why(mend, work, server, prefix):
    mend("d5")
    django_sqs.send("d5", body="one")
    work("d5")
    server.faults["SendMessageBatch", f"{prefix}__d5"] = (403, "AccessDenied")
    server.faults["SendMessage", f"{prefix}__d5"] = (403, "AccessDenied")

    decided = send_again(Failure.objects.all(), by="root", limit=10)

    row = Failure.objects.get()
    assert (decided.done, decided.refused) == (0, 1)
    assert row.state == State.WAITING
    assert "sqs:SendMessage" in row.note
    assert FailureGroup.objects.get().waiting == 1


def test_two_who_do_it_at_the_same_time_send_it_once(mend, work, monkeypatch):
    mend("d6")
    django_sqs.send_many("d6", [str(n) for n in range(20)])
    work("d6")
    inner = []

    def ask(name, question):
        if not inner:
            inner.append(send_again(Failure.objects.all(), by="other", limit=100).done)
        return question()

    outer = send_again(Failure.objects.all(), by="root", limit=100, ask=ask)

    assert (outer.done, inner) == (20, [0])


def test_what_somebody_was_sending_who_died_can_be_sent(mend, work):
    mend("d7")
    django_sqs.send("d7", body="one")
    work("d7")
    Failure.objects.update(state=State.SENDING, changed_at=timezone.now())
    assert send_again(Failure.objects.all(), by="root", limit=1).done == 0
    Failure.objects.update(changed_at=timezone.now() - deciding.STUCK * 2)

    assert send_again(Failure.objects.all(), by="root", limit=1).done == 1
    assert FailureGroup.objects.get().waiting == 0


def test_what_was_being_sent_by_a_host_whose_clock_was_ahead_can_be_sent(mend, work):
    mend("d7")
    django_sqs.send("d7", body="one")
    work("d7")
    minute = timedelta(minutes=1)
    Failure.objects.update(state=State.SENDING, changed_at=timezone.now() + minute)
    assert send_again(Failure.objects.all(), by="root", limit=1).done == 0
    Failure.objects.update(changed_at=timezone.now() + 300 * minute)

    # It may be sent at this moment, by a host whose clock is right again.
    assert send_again(Failure.objects.all(), by="root", limit=1).done == 0
    assert Failure.objects.get().changed_at <= timezone.now()
    Failure.objects.update(changed_at=F("changed_at") - deciding.STUCK - minute)
    assert send_again(Failure.objects.all(), by="root", limit=1).done == 1


def test_a_host_whose_clock_is_behind_sends_nothing_that_another_is_sending(
    mend, work, monkeypatch
):
    mend("d7")
    django_sqs.send("d7", body="one")
    work("d7")
    now = timezone.now()
    Failure.objects.update(state=State.SENDING, changed_at=now)
    monkeypatch.setattr(timezone, "now", lambda: now - timedelta(minutes=20))

    assert send_again(Failure.objects.all(), by="root", limit=1).done == 0


def test_a_discarded_message_is_seen_and_not_run(mend, work):
    mend("d8")
    django_sqs.send_many("d8", ["a", "b", "c"])
    work("d8")

    assert discard(Failure.objects.all(), by="root", limit=2).done == 2

    assert FailureGroup.objects.get().waiting == 1
    assert Failure.objects.filter(state=State.DISCARDED, changed_by="root").count() == 2
    assert send_again(Failure.objects.all(), by="root", limit=10).done == 1


def test_dead_letters_are_kept_with_what_is_known_of_them(mend, work, counts, prefix):
    mend("d9", dead_letter_queue="d9-dead", max_receives=1, visibility_timeout=1)
    django_sqs.send("d9", body="known")
    work("d9")
    time.sleep(1.5)
    # It is moved when somebody asks.
    work("d9")
    [row] = Failure.objects.all()
    assert row.state == State.IN_QUEUE

    assert as_json("sqs_bury", "d9") == [{"name": f"{prefix}__d9", "buried": 1}]

    [row] = Failure.objects.all()
    assert (row.state, row.error) == (State.WAITING, "broken")
    assert counts(f"{prefix}__d9-dead") == (0, 0, 0)
    assert FailureGroup.objects.get().waiting == 1


@pytest.mark.parametrize("armoured", [False, True])
def test_a_reason_in_an_envelope_of_a_message_with_ten_attributes_is_read(
    mend, work, sqs, prefix, armoured
):
    mend("d9b", dead_letter=ValueError, dead_letter_queue="d9b-dead")
    django_sqs.send("d9b", body="x")
    work("d9b")
    envelope = {
        "body": "y",
        "content-type": "text/plain",
        "content-encoding": "utf-8",
        "headers": None,
        "properties": {"delivery_info": {}},
    }
    body = json.dumps(envelope)
    if armoured:
        body = base64.b64encode(body.encode()).decode()
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName=f"{prefix}__d9b")["QueueUrl"],
        MessageBody=body,
        MessageAttributes={
            f"a{number}": {"DataType": "String", "StringValue": "x"} for number in range(10)
        },
    )
    work("d9b")
    Failure.objects.all().delete()
    FailureGroup.objects.all().delete()

    run("sqs_bury", "d9b")

    assert [row.error for row in Failure.objects.all()] == ["broken"] * 2
    assert {len(row.attributes) for row in Failure.objects.all()} == {2, 10}


def test_dead_letters_nobody_noted_are_kept_too(mend, work, sqs, prefix, seen, counts):
    mended = mend("d10", dead_letter_queue="d10-dead", max_receives=1)
    django_sqs.send("d10", body="x")
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{prefix}__d10")["QueueUrl"])
    url = sqs.get_queue_url(QueueName=f"{prefix}__d10-dead")["QueueUrl"]
    for number in range(25):
        sqs.send_message(QueueUrl=url, MessageBody=f"dead {number}")

    said = run("sqs_bury")

    assert "Queue d10: 25 dead letters are kept here now." in said
    [group] = FailureGroup.objects.all()
    assert (group.error_class, group.waiting) == ("Dead letter", 25)
    mended()
    assert send_again(Failure.objects.all(), by="root", limit=100).done == 25
    work("d10")
    assert sorted(body for body, *_ in seen) == sorted(f"dead {number}" for number in range(25))


def test_letters_of_queues_that_share_them_are_kept_as_those_of_their_queue(
    mend, work, sqs, prefix
):
    for name in ("d13a", "d13b"):
        mend(name, dead_letter=ValueError, dead_letter_queue="d13-dead")
    mend("d13c", dead_letter=ValueError, dead_letter_queue="other-dead")
    django_sqs.send("d13b", body="x")
    work("d13b")
    url = sqs.get_queue_url(QueueName=f"{prefix}__d13-dead")["QueueUrl"]
    # It says that it comes from a queue with other dead letters.
    forged = json.dumps({"error": "E", "queue": f"{prefix}__d13c"})
    sqs.send_message(
        QueueUrl=url,
        MessageBody="y",
        MessageAttributes={"django_sqs.failure": {"DataType": "String", "StringValue": forged}},
    )
    Failure.objects.all().delete()
    FailureGroup.objects.all().delete()

    run("sqs_bury", "d13a")

    assert sorted(row.queue_name for row in Failure.objects.all()) == ["d13a", "d13b"]


def test_a_dead_letter_that_was_not_deleted_is_not_kept_twice(mend, work, server, prefix):
    mend("d11", dead_letter_queue="d11-dead", max_receives=1, visibility_timeout=1)
    django_sqs.send("d11", body="x")
    work("d11")
    time.sleep(1.5)
    work("d11")
    server.faults["DeleteMessageBatch", f"{prefix}__d11-dead"] = (500, "InternalError")
    with pytest.raises(CommandError, match="InternalError"):
        run("sqs_bury", "d11")
    del server.faults["DeleteMessageBatch", f"{prefix}__d11-dead"]

    assert Failure.objects.filter(state=State.WAITING).count() == 1


def test_a_queue_without_dead_letters_is_an_error(mend):
    mend("d12")
    django_sqs.send("d12", body="x")

    with pytest.raises(CommandError, match="has a dead-letter queue"):
        call_command("sqs_bury", "d12")


def test_old_rows_are_pruned_but_not_those_that_wait(mend, work):
    mend("d13")
    django_sqs.send_many("d13", ["a", "b", "c"])
    work("d13")
    discard(Failure.objects.all(), by="root", limit=1)
    Failure.objects.update(failed_at=timezone.now() - timedelta(days=40))

    assert as_json("sqs_prune_failures") == {"deleted": 1}
    assert FailureGroup.objects.get().waiting == 2
    assert as_json("sqs_prune_failures", "--waiting") == {"deleted": 2}
    assert not FailureGroup.objects.exists()
