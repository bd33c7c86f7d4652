"""The gate: side by side, or alone."""

import threading
import time

import pytest

from django_sqs_kombu.working.gate import Gate


@pytest.fixture
def inside():
    """Run a function inside a gate in a thread."""
    threads = []

    def inside(gate, alone, work):
        def run():
            with gate.passed(alone=alone):
                work()

        thread = threading.Thread(target=run)
        threads.append(thread)
        thread.start()
        return thread

    yield inside
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_work_runs_side_by_side(inside):
    gate, both = Gate(), threading.Barrier(2, timeout=10)

    inside(gate, False, both.wait)
    inside(gate, False, both.wait)


def test_work_that_is_to_be_alone_waits_and_is_waited_for(inside, eventually):
    gate, first_may_end, alone_may_end = Gate(), threading.Event(), threading.Event()
    seen = []
    inside(gate, False, lambda: (seen.append("first"), first_may_end.wait(10)))
    eventually(lambda: seen == ["first"])
    inside(gate, True, lambda: (seen.append("alone"), alone_may_end.wait(10)))
    eventually(lambda: gate._waiting == 1)
    inside(gate, False, lambda: seen.append("later"))
    time.sleep(0.1)

    assert seen == ["first"]
    first_may_end.set()
    eventually(lambda: seen == ["first", "alone"])
    time.sleep(0.1)
    assert seen == ["first", "alone"]
    alone_may_end.set()
    eventually(lambda: seen == ["first", "alone", "later"])


def test_an_error_inside_opens_the_gate():
    gate = Gate()

    for alone in (True, False, True):
        with pytest.raises(ZeroDivisionError), gate.passed(alone=alone):
            raise ZeroDivisionError
