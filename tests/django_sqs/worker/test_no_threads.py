"""A worker on a system that has no further thread for a while."""

import logging
import signal
import threading

import pytest

import django_sqs
from django_sqs.wake import calls
from django_sqs.worker import companions
from django_sqs.worker.companions import InThread, Turn, running, start_what_waits
from django_sqs.worker.worker import Worker

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture
def refused(monkeypatch):
    """The names of the threads that cannot be started now."""
    names, start = set(), threading.Thread.start

    def starting(thread):
        if thread.name in names:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starting)
    return names


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(companions, "RETRY", 0.0)


def test_what_runs_beside_it_is_started_later(refused, at_once, caplog):
    runs, ends = threading.Event(), threading.Event()

    def run():
        runs.set()
        ends.wait()

    refused.add("sqs-relay")
    with running([lambda: InThread(run, ends.set, "sqs-relay", Turn())]):
        start_what_waits()
        assert not runs.is_set()
        refused.clear()

        start_what_waits()

        assert runs.wait(5)
    assert ends.is_set()
    assert "cannot be started, trying again" in caplog.text


def test_what_was_never_started_is_not_stopped(refused, at_once, caplog):
    refused.add("sqs-relay")
    with running([lambda: InThread(calls.Listener, pytest.fail, "sqs-relay", Turn())]):
        pass

    start_what_waits()

    assert "did not stop cleanly" not in caplog.text
    assert caplog.text.count("trying again") == 1


def test_another_process_starts_none_of_its_parents(refused, at_once, monkeypatch):
    refused.add("sqs-relay")
    with running([lambda: InThread(pytest.fail, lambda: None, "sqs-relay", Turn())]):
        refused.clear()
        monkeypatch.setattr(companions.os, "getpid", lambda: -1)

        start_what_waits()

        assert "sqs-relay" not in {each.name for each in threading.enumerate()}


@pytest.mark.parametrize(
    ("handler", "number", "name"),
    [
        ("_on_wake", signal.SIGUSR1, "sqs-woken"),
        ("_on_cut_off", signal.SIGQUIT, "sqs-cut-off"),
    ],
)
def test_a_signal_that_needs_one_ends_nothing(refused, caplog, handler, number, name):
    refused.add(name)
    caplog.set_level(logging.ERROR)
    worker = Worker([django_sqs.queues["plain"]])

    getattr(worker, handler)(number, None)

    assert "which is ignored" in caplog.text
