"""A system that has no thread says so in one way."""

import threading
from datetime import timedelta

import pytest

from django_sqs_kombu.new_threads import start_thread, without_fail
from django_sqs_kombu.working import Schedule, Ticking


class Hourly(Ticking):
    """Counts how often it looks."""

    ticks = 0

    def schedules(self):
        return [Schedule(timedelta(hours=1))]

    def tick(self, now):
        self.ticks += 1
        return True


def test_one_that_has_no_memory_for_a_thread_has_no_thread(monkeypatch):
    def refused(thread):
        raise MemoryError

    monkeypatch.setattr(threading.Thread, "start", refused)

    with pytest.raises(RuntimeError, match="no memory"):
        start_thread(threading.Thread())


def test_what_has_another_reason_than_memory_is_not_tried_again():
    def wait():
        raise RuntimeError("cannot wait on un-acquired lock")

    with pytest.raises(RuntimeError, match="un-acquired"):
        without_fail(wait)


def test_a_schedule_goes_on_where_there_was_no_memory_to_wait_with(without_memory, eventually):
    ticking = Hourly()
    left = without_memory("tested-ticks", 2)
    thread = threading.Thread(target=ticking.run, name="tested-ticks")
    thread.start()

    eventually(lambda: ticking.ticks)

    ticking.end()
    thread.join(5)
    assert not left
    assert not thread.is_alive()
