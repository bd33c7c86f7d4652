"""Some of a queue's messages are moved or deleted; the others stay as they were."""

import os
import signal
import subprocess
import sys
import time

import pytest

from django_sqs_kombu import RequestFailed, administration, sifting
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

from ..processes import ROOT


@pytest.fixture
def requests(server):
    return Requests(
        Account(
            {"region": "us-east-1"},
            access_key_id="testing",
            secret_access_key="testing-secret",
            endpoint=server.url,
        )
    )


@pytest.fixture
def names(sqs, prefix):
    for name in ("source", "target"):
        sqs.create_queue(QueueName=f"{prefix}-{name}")
    return f"{prefix}-source", f"{prefix}-target"


@pytest.fixture
def fifo(sqs, prefix):
    for name in ("source", "target"):
        sqs.create_queue(QueueName=f"{prefix}-{name}.fifo", Attributes={"FifoQueue": "true"})
    return f"{prefix}-source.fifo", f"{prefix}-target.fifo"


def fill(requests, queue, count):
    for start in range(0, count, 10):
        numbers = range(start, min(start + 10, count))
        requests.send_batch(queue, [{"MessageBody": str(number)} for number in numbers])


def number(message):
    return int(message["Body"])


def even(message):
    return number(message) % 2 == 0


def bodies(requests, queue):
    """The bodies of all messages, which are deleted."""
    found = []
    while messages := requests.receive(queue, 10, 0, 30):
        found += [number(message) for message in messages]
        requests.delete_batch(queue, messages)
    return found


def test_what_is_wanted_is_moved_and_the_rest_is_there_at_once(requests, names, counts):
    source, target = names
    fill(requests, source, 35)
    told = []

    moved = administration.move(
        requests, source, target, limit=100, wanted=even, progress=told.append
    )

    assert moved == told[-1] == 18
    assert counts(source) == (17, 0, 0)
    assert sorted(bodies(requests, target)) == list(range(0, 35, 2))
    assert sorted(bodies(requests, source)) == list(range(1, 35, 2))


def test_no_more_than_the_limit_is_moved(requests, names, counts):
    source, target = names
    fill(requests, source, 20)

    assert administration.move(requests, source, target, limit=3, wanted=even) == 3

    assert counts(source) == (17, 0, 0)
    assert counts(target) == (3, 0, 0)


def test_no_more_than_the_most_are_looked_at(requests, names, counts, caplog):
    source, target = names
    fill(requests, source, 35)
    asked = []

    def never(message):
        asked.append(message)

    assert administration.move(requests, source, target, limit=3, wanted=never, most=20) == 0

    assert len(asked) == 20
    assert "Stopped after looking at" in caplog.text
    assert counts(source) == (35, 0, 0)


def test_what_is_wanted_is_deleted_and_told(requests, names, counts):
    source, _ = names
    fill(requests, source, 12)
    told = []

    count = administration.delete(requests, source, wanted=even, limit=100, deleted=told.append)

    assert count == len(told) == 6
    assert sorted(bodies(requests, source)) == list(range(1, 12, 2))


def test_what_cannot_be_deleted_is_visible_again(requests, names, server, counts):
    source, _ = names
    fill(requests, source, 4)
    server.failed_entries["DeleteMessageBatch", source] = [[(0, "InternalError", False)]]
    told = []

    with pytest.raises(RequestFailed):
        administration.delete(
            requests, source, wanted=lambda message: True, limit=100, deleted=told.append
        )

    assert len(told) == 3
    assert counts(source) == (1, 0, 0)


def test_a_delete_that_fails_as_a_whole_hides_nothing(requests, names, server, counts):
    source, _ = names
    fill(requests, source, 4)
    server.faults["DeleteMessageBatch", source] = (400, "AccessDeniedException")

    with pytest.raises(RequestFailed):
        administration.delete(requests, source, wanted=even, limit=100)

    assert counts(source) == (4, 0, 0)


def test_what_observes_deletes_and_raises_hides_nothing_that_is_left(requests, names, counts):
    source, _ = names
    fill(requests, source, 4)

    with pytest.raises(ZeroDivisionError):
        administration.delete(
            requests, source, wanted=even, limit=100, deleted=lambda message: 1 / 0
        )

    assert counts(source) == (2, 0, 0)


def test_a_question_that_raises_hides_nothing(requests, names, counts):
    source, target = names
    fill(requests, source, 12)

    def odd(message):
        raise ValueError(message)

    with pytest.raises(ValueError, match="MessageId"):
        administration.move(requests, source, target, limit=9, wanted=odd)

    assert counts(source) == (12, 0, 0)


def test_a_target_that_refuses_loses_and_hides_nothing(requests, names, server, counts):
    source, target = names
    fill(requests, source, 12)
    requests.send_batch(target, [{"MessageBody": "0"}])

    with server.refusing("SendMessageBatch", target), pytest.raises(RequestFailed):
        administration.move(requests, source, target, limit=9, wanted=even)

    assert counts(source) == (12, 0, 0)
    assert counts(target) == (1, 0, 0)


def test_what_is_kept_for_long_is_hidden_for_longer(requests, names, counts, monkeypatch):
    monkeypatch.setattr(sifting, "HOLD", 2)
    monkeypatch.setattr(sifting, "RENEWED", 0.5)
    source, target = names
    fill(requests, source, 30)
    asked = []

    def slow(message):
        asked.append(number(message))
        time.sleep(0.15)
        return number(message) == 29

    administration.move(requests, source, target, limit=100, wanted=slow)

    assert sorted(asked) == list(range(30))
    assert counts(source) == (29, 0, 0)


def test_what_was_moved_and_not_deleted_is_not_moved_again(
    requests, names, server, counts, monkeypatch
):
    monkeypatch.setattr(sifting, "HOLD", 1)
    monkeypatch.setattr(administration, "DELETE_PAUSES", (1.5,))
    source, target = names
    fill(requests, source, 12)
    server.failed_entries["DeleteMessageBatch", source] = [
        [(0, "InternalError", False)],
        [(0, "InternalError", False)],
    ]

    # It comes again and again, after a second each time.
    administration.move(requests, source, target, limit=100, most=20, wanted=lambda message: True)

    found = bodies(requests, target)
    assert len(found) == len(set(found))


def test_a_groups_messages_keep_their_order(requests, fifo):
    source, target = fifo
    for place in range(8):
        requests.send_batch(
            source,
            [
                {
                    "MessageBody": str(place),
                    "MessageGroupId": "ab"[place % 2],
                    "MessageDeduplicationId": str(place),
                }
            ],
        )

    administration.move(requests, source, target, limit=100, wanted=lambda m: number(m) > 1)

    moved = bodies(requests, target)
    assert [n for n in moved if n % 2 == 0] == [2, 4, 6]
    assert [n for n in moved if n % 2] == [3, 5, 7]
    assert sorted(bodies(requests, source)) == [0, 1]


KILLED = """
import json, os, signal, sys
from django_sqs_kombu import administration
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
url, source, target = sys.argv[1:]
requests = Requests(Account({"region": "us-east-1"}, access_key_id="testing",
                            secret_access_key="testing-secret", endpoint=url))
administration.HOLD = administration.Sieve.__init__.__globals__["HOLD"] = 3
administration._delete = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
administration.move(requests, source, target, limit=9, wanted=lambda m: int(m["Body"]) % 2 == 0)
"""


def test_a_kill_between_send_and_delete_loses_nothing(requests, names, server, counts, eventually):
    source, target = names
    fill(requests, source, 10)

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, server.url, source, target],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    eventually(lambda: counts(source) == (10, 0, 0), timeout=20)
    administration.move(requests, source, target, limit=100, wanted=even)

    assert sorted(set(bodies(requests, target))) == [0, 2, 4, 6, 8]
    assert sorted(bodies(requests, source)) == [1, 3, 5, 7, 9]
