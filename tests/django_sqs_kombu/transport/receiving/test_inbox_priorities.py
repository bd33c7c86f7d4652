import itertools
import threading
import time

import pytest

from django_sqs_kombu.transport.receiving.inbox import Inbox


class Waiting:
    """A source with messages that wait."""

    busy = True
    may_be_taken_from = True

    def __init__(self, priority):
        self.priority = priority
        self.looks = 0

    @property
    def priority(self):
        self.looks += 1
        return self._priority

    @priority.setter
    def priority(self, priority):
        self._priority = priority


def waits(sources):
    """Whether one of them is more urgent than another, of the lowest priority."""
    return len({each.priority for each in sources}) > 1


@pytest.mark.parametrize("order", sorted(set(itertools.permutations([0, 0, 1, 2]))))
def test_priorities_count_whoever_comes_and_goes(order):
    inbox, sources, least = Inbox(), [], Waiting(0)
    for priority in order:
        sources.append(Waiting(priority))
        inbox.add(sources[-1])
        assert inbox.more_urgent_waits(least) is waits(sources)
    while sources:
        inbox.remove(sources.pop(0))
        assert inbox.more_urgent_waits(least) is waits(sources)


def test_a_thousand_sources_are_not_looked_through_for_each_that_comes():
    inbox, sources = Inbox(), [Waiting(0) for _ in range(1_000)]

    for each in sources:
        inbox.add(each)
        inbox.more_urgent_waits(each)

    assert sum(each.looks for each in sources) < 10 * len(sources)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "groups"), [({}, 1), ({"concurrency": 1}, 60)], ids=["group", "concurrency"]
)
def test_what_waits_for_others_of_its_queue_keeps_no_free_receiver_from_the_less_urgent(
    receivers, start, eventually, options, groups
):
    """They waited as long as the receiver of the urgent queue ran."""
    consumers, urgent, usual = [], [], []
    runs_long, goes_on = threading.Event(), threading.Event()

    def receive(message):
        urgent.append(message)
        # Several are received at once when it is known how fast they are.
        if consumers and consumers[0]._live_connection.transport.has_waiting():
            runs_long.set()
            goes_on.wait(60)

    queue = receivers.register("urgent.fifo", receive, priority=1, **options)
    receivers.register("usual", usual.append)
    for group in range(groups):
        queue.send_many(["x"] * (60 // groups), group_id=f"group-{group}")
    try:
        consumers.append(start(receivers, threads=2)[0])
        assert runs_long.wait(30)
        # Polls that began before have ended.
        time.sleep(3)
        receivers.send("usual", body="x")

        eventually(lambda: usual, timeout=20)
        assert len(urgent) < 60
        assert not goes_on.is_set()
    finally:
        goes_on.set()
