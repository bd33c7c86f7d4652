"""Queues with a redrive policy: no message is dead that was not started so often.

Real processes, since the receive counts that matter are those of several at once.
"""

import json
import signal
import time
from collections import Counter

import pytest

from .conftest import LONG

#: Seconds of a visibility timeout, and of a receiver that nearly takes it.
VISIBILITY, RECEIVER = (6, 5) if LONG else (3, 2.5)


class Graveyard:
    """The queue "mortal" with its dead letters, and who receives from it."""

    def __init__(self, project, sqs, max_receives):
        self.project, self._sqs, self.max_receives = project, sqs, max_receives
        self.name = f"{project.prefix}__mortal"
        self._found = []
        self._dead = sqs.create_queue(QueueName=f"{self.name}-dead")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self._dead, AttributeNames=["QueueArn"])
        policy = {
            "deadLetterTargetArn": attributes["Attributes"]["QueueArn"],
            "maxReceiveCount": max_receives,
        }
        self._url = sqs.create_queue(
            QueueName=self.name,
            Attributes={
                "VisibilityTimeout": str(VISIBILITY),
                "RedrivePolicy": json.dumps(policy),
            },
        )["QueueUrl"]

    def send(self, *bodies):
        """Send plain text, as a stranger would."""
        for body in bodies:
            self._sqs.send_message(QueueUrl=self._url, MessageBody=body)

    def start(self, *options):
        return self.project.start(
            "runreceiver",
            "mortal",
            *options,
            TEST_VISIBILITY_TIMEOUT=str(VISIBILITY),
            TEST_MAX_RECEIVES=str(self.max_receives),
        )

    @property
    def starts(self):
        """How often each message was started, by its body."""
        return Counter(run["body"] for run in self.project.runs("mortal"))

    @property
    def done(self):
        """The bodies of the messages with a run that came to its end."""
        return {run["body"] for run in self.project.runs("mortal") if run["finished"]}

    def dead(self):
        """The bodies of the dead letters so far."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._dead, MaxNumberOfMessages=10, VisibilityTimeout=600
        ).get("Messages"):
            self._found += [message["Body"] for message in messages]
        return self._found

    def buried_alive(self):
        """The dead letters that were started less often than they may be received."""
        starts = self.starts
        return {body: starts[body] for body in self.dead() if starts[body] < self.max_receives}


@pytest.fixture
def graveyard(project, sqs):
    return lambda max_receives: Graveyard(project, sqs, max_receives)


@pytest.mark.parametrize(
    ("processes", "max_receives", "messages"),
    [
        (1, 1, 10 if LONG else 4),
        (2, 2, 20 if LONG else 6),
        pytest.param(
            8, 5, 24, marks=pytest.mark.skipif(not LONG, reason="8 processes: FAULTS=long")
        ),
    ],
)
def test_messages_that_wait_for_slow_receivers_are_not_buried(
    processes, max_receives, messages, graveyard, eventually
):
    queue = graveyard(max_receives)
    queue.send(*(f"{number} {RECEIVER}" for number in range(messages)))

    queue.start(f"--processes={processes}")
    eventually(
        lambda: len(queue.done) + len(queue.dead()) >= messages,
        timeout=60 + messages * RECEIVER / processes,
    )

    assert queue.dead() == []
    assert set(queue.starts.values()) == {1}


def test_a_message_that_kills_its_process_buries_no_other(graveyard, eventually, counts):
    queue = graveyard(3)
    innocents = [f"innocent-{number} 0.5" for number in range(9)]
    queue.send(*innocents[:4], "kill", *innocents[4:])

    queue.start("--processes=2", "--threads=2")
    eventually(lambda: len(queue.done) == 9, timeout=90)
    eventually(lambda: counts(queue.name) == (0, 0, 0), timeout=60)

    assert queue.buried_alive().keys() <= {"kill"}
    # It was started as often as it may be, or refused since it killed before.
    assert queue.starts["kill"] >= 2


def test_a_lone_worker_that_is_started_again_after_each_death_buries_no_innocent(
    graveyard, eventually, counts
):
    queue = graveyard(3)
    queue.send(*(f"innocent-{number} 0.3" for number in range(4)), "kill")
    queue.send(*(f"innocent-{number} 0.3" for number in range(4, 9)))

    for _ in range(5):
        worker = queue.start("--processes=1", "--threads=2")
        eventually(
            lambda worker=worker: (
                worker.popen.poll() is not None or counts(queue.name) == (0, 0, 0)
            ),
            timeout=60,
        )
        if worker.popen.poll() is None:
            break

    assert len(queue.done) == 9
    assert queue.buried_alive().keys() <= {"kill"}
    assert queue.starts["kill"] >= 2


def test_stops_and_starts_bury_nothing_that_was_not_started(graveyard, eventually, counts):
    queue = graveyard(3)
    bodies = [f"{number} 0.4" for number in range(40 if LONG else 24)]
    queue.send(*bodies)

    for _ in range(12 if LONG else 4):
        begun = sum(queue.starts.values())
        worker = queue.start("--processes=2", "--threads=2")
        eventually(lambda begun=begun: sum(queue.starts.values()) > begun, timeout=40)
        time.sleep(0.3)
        worker.signal(signal.SIGTERM)
        assert worker.wait(20) == 0, worker.output
        if len(queue.done) == len(bodies):
            break
    queue.start("--processes=2", "--threads=4")
    eventually(lambda: len(queue.done) + len(queue.dead()) >= len(bodies), timeout=60)
    eventually(lambda: counts(queue.name) == (0, 0, 0), timeout=30)

    assert queue.buried_alive() == {}
    assert len(queue.done) == len(bodies)
    assert set(queue.starts.values()) == {1}


def test_a_restart_with_a_hammer_buries_nothing_that_was_not_started(graveyard, eventually, counts):
    """Workers that are killed take with them what they held, which was started, or is one."""
    queue = graveyard(3)
    bodies = [f"{number} 0.4" for number in range(12)]
    queue.send(*bodies)

    for _ in range(2):
        begun = sum(queue.starts.values())
        worker = queue.start("--processes=1")
        eventually(lambda begun=begun: sum(queue.starts.values()) > begun, timeout=40)
        time.sleep(0.5)
        worker.signal(signal.SIGKILL)
        worker.wait()
    queue.start("--processes=1", "--threads=4")
    eventually(lambda: len(queue.done) + len(queue.dead()) >= len(bodies), timeout=60)

    assert queue.buried_alive() == {}
    assert len(queue.done) == len(bodies)
