import itertools

import pytest

from django_sqs_kombu.transport.receiving.inbox import Inbox


class Waiting:
    """A source with messages that wait."""

    busy = True
    has_waiting = True

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
