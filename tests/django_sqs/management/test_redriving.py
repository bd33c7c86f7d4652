"""Dead letters that fail again while others are moved stay dead letters, and are moved once."""

import pytest

import django_sqs
from django_sqs.operations import redriving
from django_sqs.operations.queues import by_name
from django_sqs_kombu import administration

from ..commands import as_json, full_name

LETTERS = 25


@pytest.fixture
def moved(sqs, prefix, monkeypatch):
    """Put letters beside "watched", whose receiver fails at once: all that are moved, in a list."""
    django_sqs.register("watched", dead_letter_queue="watched-dead")
    django_sqs.send("watched", body="alive")
    names = full_name("watched"), f"{prefix}__watched-dead"
    queue, dead = (sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names)
    sqs.purge_queue(QueueUrl=queue)
    for first in range(0, LETTERS, 5):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(first, first + 5)]
        sqs.send_message_batch(QueueUrl=dead, Entries=entries)
    moved, move = [], administration._move

    def move_and_fail(*args):
        count = move(*args)
        while got := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for each in got:
                moved.append(int(each["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
                sqs.send_message(QueueUrl=dead, MessageBody=each["Body"])
        return count

    monkeypatch.setattr(administration, "_move", move_and_fail)
    return moved


@pytest.mark.parametrize("limit", [1_000, LETTERS, 7])
def test_each_letter_is_moved_once_although_it_comes_back(moved, counts, prefix, limit):
    done = redriving.by_hand(by_name("watched")[0], limit=limit)

    least = min(limit, LETTERS)
    assert done.moved == len(moved) == len(set(moved)) == least
    assert counts(f"{prefix}__watched-dead") == (LETTERS, 0, 0)


def test_the_command_moves_each_letter_once(moved):
    assert as_json("sqs_redrive", "watched", "--by-hand")["moved"] == LETTERS
    assert sorted(moved) == list(range(LETTERS))


def test_messages_that_are_moved_and_come_back_are_not_moved_again(moved, prefix):
    target = by_name("watched")[0]

    done = administration.move(
        target.requests, f"{prefix}__watched-dead", target.full_name, limit=1_000
    )

    assert done == len(moved) == LETTERS
