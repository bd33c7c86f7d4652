"""runreceiver --stop-when-idle: done when there is nothing to do."""

import os
import re
import signal
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

import django_sqs
from django_sqs.worker.idle import StopWhenIdle
from django_sqs.worker.stats import SharedStats
from django_sqs_kombu import Pause

pytestmark = pytest.mark.usefixtures("site")


def name(queue):
    return django_sqs.queues[queue].full_name()


@pytest.mark.parametrize(
    "layout",
    [
        ("plain",),
        ("plain", "second"),
        pytest.param(("plain", "--recycle-after=2"), marks=pytest.mark.slow),
        pytest.param(("plain", "second", "--processes=2", "--threads=2"), marks=pytest.mark.slow),
    ],
)
def test_it_ends_when_all_is_done(layout, project, counts):
    for body in "abcde":
        django_sqs.send("plain", body=body)
    started = time.monotonic()

    worker = project.run("runreceiver", *layout, "--stop-when-idle=2")

    assert worker.wait() == 0
    assert sorted(project.bodies("plain")) == list("abcde")
    assert counts(name("plain")) == (0, 0, 0)
    assert time.monotonic() - started > 2
    assert "the queues were empty and nothing ran for 2 s" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.slow
def test_a_receiver_that_runs_keeps_it(project):
    django_sqs.send("slow", body="4")

    worker = project.run("runreceiver", "slow", "--stop-when-idle=1")

    assert worker.wait() == 0
    assert [run["finished"] for run in project.runs("slow")] == [1]


@pytest.mark.slow
def test_a_message_that_is_delayed_or_with_another_keeps_it(project, sqs, prefix):
    # What is delayed has a ticket.
    project.add_tables()
    django_sqs.send("plain", body="later", delay=5)
    django_sqs.send("second", body="elsewhere")
    url = sqs.get_queue_url(QueueName=f"{prefix}__second")["QueueUrl"]
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=6)["Messages"]

    worker = project.run("runreceiver", "plain", "second", "--stop-when-idle=1")

    assert worker.wait() == 0
    assert project.bodies("plain") == ["later"]
    assert project.bodies("second") == ["elsewhere"]


@pytest.mark.slow
def test_a_queue_that_is_paused_does_not_keep_it(project, counts):
    django_sqs.send("plain", body="x")
    django_sqs.queues["plain"].pause()

    worker = project.run("runreceiver", "plain", "--stop-when-idle=2")

    assert worker.wait() == 0
    assert counts(name("plain")) == (1, 0, 0)


@pytest.mark.parametrize("layout", [(), ("--processes=1",), ("--processes=2",)])
def test_a_queue_whose_limit_is_reached_does_not_keep_it(layout, project, counts):
    for body in "ab":
        django_sqs.send("plain", body=body)
    limits = ("--message-limit=1", "--stop-when-idle=2")

    worker = project.run("runreceiver", "plain", "second", *layout, *limits)

    assert worker.wait() == 0
    assert len(project.bodies("plain")) == 1
    assert counts(name("plain")) == (1, 0, 0)


@pytest.mark.slow
def test_a_process_that_starts_after_sqs_was_asked_receives(project, eventually):
    """What asks is a thread of the supervisor, which forks the next process then."""
    # What is delayed has a ticket.
    project.add_tables()
    django_sqs.send("plain", body="later", delay=15)
    worker = project.start("runreceiver", "plain", "second", "--stop-when-idle=1")
    # Its processes ask once before they poll; then it is the supervisor that asks.
    eventually(lambda: worker.output.count("GetQueueAttributes on queue") >= 4)
    for pid in re.findall(r"Process (\d+) started", worker.output):
        os.kill(int(pid), signal.SIGKILL)
    django_sqs.send("second", body="x")

    assert worker.wait(120) == 0
    assert (project.bodies("plain"), project.bodies("second")) == (["later"], ["x"])
    assert worker.output.count("ended with SIGKILL") == 2


class Idle:
    """A StopWhenIdle whose time passes by hand."""

    def __init__(self, monkeypatch, left, limit=None):
        self.now = 1_000.0
        monkeypatch.setattr("django_sqs.worker.stats.time.monotonic", lambda: self.now)
        self.stats = SharedStats(["a"], processes=1)
        self.queue = SimpleNamespace(name="a")
        self.left = left
        self.asked = 0
        self._idle = StopWhenIdle(10, self.stats, [self.queue], None, lambda: None, limit)
        monkeypatch.setattr(self._idle, "_has_messages", self.has_messages)

    def has_messages(self, queue):
        self.asked += 1
        return bool(self.left.pop(0))

    def after(self, seconds):
        self.now += seconds
        return self._idle._is_over(self.now)


def test_a_queue_that_no_poll_is_answered_for_is_not_empty(monkeypatch):
    idle = Idle(monkeypatch, [False])

    assert not any(idle.after(1) for _ in range(60))
    assert not idle.asked
    idle.stats.polled(idle.queue, 0)
    assert idle.after(1)


def test_a_queue_of_which_enough_was_received_is_polled_no_more_and_keeps_nobody(monkeypatch):
    idle = Idle(monkeypatch, [True] * 60, limit=3)

    idle.stats.polled(idle.queue, 3)

    assert any(idle.after(1) for _ in range(30))
    assert not idle.asked


@pytest.mark.parametrize("received", [2, 3])
def test_one_that_is_still_polled_does(monkeypatch, received):
    """Of three that were received one was given back unstarted."""
    idle = Idle(monkeypatch, [True] * 60, limit=3)
    idle.stats.polled(idle.queue, received)

    for _ in range(30):
        assert not idle.after(1)
        idle.stats.polled(idle.queue, 0)


def test_sqs_is_asked_at_the_end_alone_and_again_after_as_long(monkeypatch):
    idle = Idle(monkeypatch, [True, False])
    over = []

    for _ in range(23):
        idle.stats.polled(idle.queue, 0)
        over.append(idle.after(1))

    assert over.index(True) == 20
    assert idle.asked == 2


def test_a_breakers_pause_keeps_it_and_a_persons_does_not(monkeypatch):
    soon = datetime.now(timezone.utc) + timedelta(minutes=1)
    for by_breaker in (True, False):
        idle = Idle(monkeypatch, [True] * 60)
        idle.stats.paused(idle.queue, Pause(until=soon, by_breaker=by_breaker))
        over = any(idle.after(1) for _ in range(60))
        assert over is not by_breaker
