"""AtOnce: as many polls as hide the time of a request, and few that bring nothing."""

import pytest

from django_sqs_kombu.transport.receiving import at_once
from django_sqs_kombu.transport.receiving.at_once import EVIDENCE, MOST, AtOnce


def test_polls_at_once_grow_with_what_comes_and_are_one_again_after_an_empty_answer():
    polls, allowed = AtOnce(nothing), []
    for _ in range(1000):
        polls.answered(10, full=True)
        allowed.append(polls.allowed)

    assert allowed[:7] == [1] * 7
    assert allowed == sorted(allowed)
    assert allowed[-1] == MOST

    polls.answered(0, full=False)
    assert polls.allowed == 1
    polls.answered(10, full=True)
    assert polls.allowed == 1


@pytest.mark.parametrize("messages", [100, 1_000, 3_000])
def test_what_comes_back_empty_in_the_end_is_a_small_share(messages):
    polls = AtOnce(nothing)
    for _ in range(messages // 10):
        polls.answered(10, full=True)

    assert polls.allowed - 1 <= messages / EVIDENCE


def test_an_answer_that_is_not_full_changes_nothing():
    polls = AtOnce(nothing, 1)
    polls.answered(1, full=True)
    polls.answered(5, full=False)

    assert polls.allowed == 2


@pytest.fixture
def process(monkeypatch):
    """What counts the polls of this process, which may be four."""
    process = at_once._OfProcess()
    monkeypatch.setattr(at_once, "_of_process", process)
    monkeypatch.setattr(at_once, "most_polls", lambda wanted: 4)
    return process


class Queue:
    """One queue, with as many polls as may begin."""

    def __init__(self, woken):
        self.polls = AtOnce(self.wake)
        self.woken = woken

    def wake(self):
        self.woken.append(self)

    def begin(self):
        return self.polls.begin(alone=True)

    def end(self):
        self.polls.end(alone=True)


@pytest.fixture
def woken():
    return []


@pytest.fixture
def queues(process, woken):
    """Eight, of which the first four poll, and the others wait for their turn."""
    queues = [Queue(woken) for _ in range(8)]
    assert [each.begin() for each in queues] == [True] * 4 + [False] * 4
    return queues


def test_a_process_has_so_many_beside_the_first_of_each_queue(process, monkeypatch):
    monkeypatch.setattr(at_once, "most_polls", lambda wanted: 1000)
    polls = AtOnce(nothing)

    begun = sum(polls.begin(alone=False) for _ in range(300))
    polls.end(alone=False)

    assert begun == at_once.MOST_BESIDE
    assert polls.begin(alone=False)
    assert not polls.begin(alone=False)


def test_queues_that_are_too_many_take_turns(queues, woken):
    for number, each in enumerate(queues[:4]):
        each.end()
        assert woken == [queues[4 + number]]
        # It would poll again at once, and comes after those that wait.
        assert not each.begin()
        assert woken.pop().begin()

    queues[4].end()
    assert woken == [queues[0]]


def test_no_other_poll_of_a_queue_is_begun_while_queues_wait(queues, woken):
    queues[0].end()

    assert not queues[1].polls.begin(alone=False)
    assert woken.pop().begin()


def test_a_turn_that_is_not_taken_is_the_next_ones(queues, woken):
    queues[0].end()
    [paused] = woken
    paused.polls.looked()

    assert woken == [paused, queues[5]]
    assert queues[5].begin()
    assert not paused.begin()


def test_so_is_that_of_a_queue_that_is_polled_no_more(queues, woken):
    queues[4].polls.leave()
    queues[0].end()
    assert woken == [queues[5]]

    queues[5].polls.leave()
    assert woken == [queues[5], queues[6]]


def test_several_that_end_together_call_as_many(queues, woken):
    for each in queues[:3]:
        each.end()

    assert woken == queues[4:7]
    assert all(each.begin() for each in woken)
    assert not queues[7].begin()


def test_a_limit_that_was_raised_is_seen(queues, monkeypatch):
    monkeypatch.setattr(at_once, "most_polls", lambda wanted: 100)

    assert [each.begin() for each in queues[4:]] == [True] * 4


def test_a_forked_process_begins_with_none(queues, process):
    process.renew_after_fork()

    assert all(each.begin() for each in queues[4:])


def nothing():
    pass
