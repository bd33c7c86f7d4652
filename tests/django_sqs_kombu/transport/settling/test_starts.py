"""Starts: notes of receivers that run, of which most end before anybody must know."""

import pytest

from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.note import Note
from django_sqs_kombu.transport.settling.starts import MOMENT, PAUSE, Starts


@pytest.fixture
def starts():
    return Starts()


def start(starts, number, now):
    message = {"ReceiptHandle": f"r{number}", "MessageId": f"m{number}", "Body": ""}
    held = Held("q", message, 60, 0.0)
    held.state = State.DELIVERED
    starts.add(held, Note(None, number), now)
    return held


def numbers(starts):
    return [each.note.content for each in starts]


def test_a_receiver_that_runs_for_a_moment_is_told_of_once(starts):
    start(starts, 1, 10.0)
    start(starts, 2, 10.05)

    assert starts.ripe(10.05) == []
    assert starts.due() == 10.0 + MOMENT
    assert numbers(starts.ripe(10.1)) == [1]
    assert numbers(starts.ripe(20.0)) == [2]
    assert (len(starts), starts.ripe(30.0)) == (0, [])


def test_one_that_has_ended_before_is_not_told_of(starts):
    noted, settled = start(starts, 1, 0.0), start(starts, 2, 0.0)
    noted.note = Note(None, "its end")
    settled.state = State.SETTLING

    assert starts.ripe(1.0) == []
    assert len(starts) == 0


def test_what_could_not_be_written_is_tried_again_ever_later_while_it_runs(starts):
    held, ends = start(starts, 1, 0.0), start(starts, 2, 0.0)
    starts.put_back(starts.ripe(1.0), 1.0)
    assert (starts.ripe(1.5), starts.due()) == ([], 1.0 + PAUSE)

    ends.state = State.GONE
    again = starts.ripe(1.0 + PAUSE)
    assert numbers(again) == [1]
    starts.put_back(again, 2.0)
    assert starts.due() == 2.0 + 2 * PAUSE
    held.state = State.GONE
    assert starts.ripe(2.5) == []
    assert len(starts) == 0
