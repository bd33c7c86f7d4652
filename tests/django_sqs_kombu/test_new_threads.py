"""A system that has no thread says so in one way."""

import threading

import pytest

from django_sqs_kombu.new_threads import start_thread


def test_one_that_has_no_memory_for_a_thread_has_no_thread(monkeypatch):
    def refused(thread):
        raise MemoryError

    monkeypatch.setattr(threading.Thread, "start", refused)

    with pytest.raises(RuntimeError, match="no memory"):
        start_thread(threading.Thread())
