"""Failed messages that are sent again from a page, which has not for ever."""

import pytest
from django.db import connections, router
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_sqs.failures import choices, deciding
from django_sqs.failures.choices import CHOICES
from django_sqs.failures.deciding import discard, send_again
from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.operations.asking import NotAnsweredYet

from ..commands import full_name

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def failed(site):
    """Three failures of each of two queues, and batches of two."""
    now = timezone.now()
    group = FailureGroup.objects.create(
        fingerprint="f", queue_name="plain", waiting=6, first_seen=now, last_seen=now
    )
    return [
        Failure.objects.create(
            group=group,
            queue_name=name,
            full_name=full_name(name),
            message_id=f"{name}-{number}",
            receipt=f"{name}-{number}",
            body="x",
            failed_at=now,
        )
        for number in range(3)
        for name in ("plain", "second")
    ]


@pytest.fixture
def asked(monkeypatch):
    """The questions to SQS, which no page asks after the first is answered."""
    monkeypatch.setattr(deciding, "BATCH", 4)
    asked = []

    def ask(patience, name, question):
        asked.append(name)
        return question()

    monkeypatch.setattr(choices, "ask_within", ask)
    monkeypatch.setattr(choices, "ENOUGH", 0.0)
    return asked


def states():
    return [*Failure.objects.order_by("pk").values_list("state", flat=True)]


def test_what_a_page_has_no_time_for_waits_on(failed, asked):
    decided = CHOICES["send"].run(Failure.objects.all(), "root", None)

    assert (decided.done, decided.refused, decided.failure) == (2, 0, None)
    assert len(asked) == 1
    # Also what was claimed with it, for the other queue.
    assert states() == [State.SENT, State.WAITING, State.SENT, *[State.WAITING] * 3]
    assert FailureGroup.objects.get().waiting == 4
    assert send_again(Failure.objects.all(), by="root", limit=10).done == 4


def test_the_history_of_a_group_tells_of_no_message_that_was_not_sent(failed, asked):
    group = FailureGroup.objects.get()
    other = FailureGroup.objects.create(
        fingerprint="g", queue_name="second", first_seen=group.first_seen, last_seen=group.last_seen
    )
    Failure.objects.filter(queue_name="second").update(group=other)

    decided = CHOICES["send"].run(Failure.objects.all(), "root", None)

    assert (decided.done, decided.groups) == (2, {group.pk})


def test_what_sqs_has_not_answered_for_costs_nothing_that_was_done(failed, asked, monkeypatch):
    monkeypatch.setattr(choices, "ENOUGH", 60.0)

    def ask(patience, name, question):
        if asked:
            raise NotAnsweredYet("SQS has not answered within 15 seconds.")
        asked.append(name)
        return question()

    monkeypatch.setattr(choices, "ask_within", ask)
    decided = CHOICES["send"].run(Failure.objects.all(), "root", None)

    assert decided.done == 2
    assert isinstance(decided.failure, NotAnsweredYet)
    # Nobody knows of the second queue's; the others were not tried.
    assert states() == [
        *(State.SENT, State.SENDING, State.SENT, State.SENDING),
        *[State.WAITING] * 2,
    ]


@pytest.mark.parametrize("ends", [SystemExit, KeyboardInterrupt, MemoryError])
def test_what_may_have_been_sent_as_its_process_was_ended_does_not_wait_to_be_sent_again(
    ends, failed, asked, monkeypatch
):
    """As by a web server, to which the page takes too long."""
    monkeypatch.setattr(choices, "ENOUGH", 60.0)

    def ask(patience, name, question):
        question()
        raise ends

    monkeypatch.setattr(choices, "ask_within", ask)
    with pytest.raises(ends):
        CHOICES["send"].run(Failure.objects.all(), "root", None)

    assert states() == [
        *(State.SENDING, State.WAITING, State.SENDING, State.WAITING),
        *[State.WAITING] * 2,
    ]


@pytest.mark.parametrize("decide", [discard, send_again])
def test_where_rows_are_not_locked_the_database_is_taken_before_it_is_read(failed, decide):
    database = connections[router.db_for_write(Failure)]
    if database.features.has_select_for_update:
        pytest.skip("rows are locked")
    with CaptureQueriesContext(database) as captured:
        assert decide(Failure.objects.all(), by="root", limit=1).done == 1

    statements = [each["sql"] for each in captured]
    after = statements[statements.index("BEGIN") + 1]
    assert after.startswith("UPDATE"), statements
