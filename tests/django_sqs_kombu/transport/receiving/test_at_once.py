"""AtOnce: as many polls as hide the time of a request, and few that bring nothing."""

import pytest

from django_sqs_kombu.transport.receiving import at_once
from django_sqs_kombu.transport.receiving.at_once import EVIDENCE, MOST, AtOnce


def test_polls_at_once_grow_with_what_comes_and_are_one_again_after_an_empty_answer():
    polls, allowed = AtOnce(), []
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
    polls = AtOnce()
    for _ in range(messages // 10):
        polls.answered(10, full=True)

    assert polls.allowed - 1 <= messages / EVIDENCE


def test_an_answer_that_is_not_full_changes_nothing():
    polls = AtOnce(1)
    polls.answered(1, full=True)
    polls.answered(5, full=False)

    assert polls.allowed == 2


def test_a_process_has_so_many_beside_the_first_of_each_queue(monkeypatch):
    monkeypatch.setattr(at_once, "_beside", at_once._Beside())
    polls = AtOnce()

    begun = sum(polls.begin_another() for _ in range(300))
    polls.end_another()

    assert begun == at_once.MOST_BESIDE
    assert polls.begin_another()
    assert not polls.begin_another()
