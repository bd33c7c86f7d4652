"""Retry: pauses, and what cannot work."""

from datetime import timedelta

import pytest

from django_sqs_kombu import ConfigurationError, Retry, exponential
from django_sqs_kombu.transport.settling.backoff import Backoff

USUAL = Backoff(7, 900, jitter=False)


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (None, [7, 14, 28, 56]),
        (5, [5, 5, 5, 5]),
        (timedelta(minutes=1), [60, 60, 60, 60]),
        ([10, timedelta(seconds=60), 600], [10, 60, 600, 600]),
        (exponential(2, factor=3, longest=50), [2, 6, 18, 50]),
        (lambda tries: 100 * tries, [100, 200, 300, 400]),
        (lambda tries: 1e9, [43_200] * 4),
        (lambda tries: 0.2, [1] * 4),
    ],
)
def test_pauses(backoff, pauses):
    retry = Retry(backoff=backoff, jitter=False)

    assert [retry.pause(tries, USUAL) for tries in (1, 2, 3, 4)] == pauses


@pytest.mark.parametrize("answer", [None, "10", -1, float("nan"), float("inf"), True])
def test_a_function_that_fails_costs_no_message(answer, caplog):
    def backoff(tries):
        if answer is None:
            raise ZeroDivisionError
        return answer

    assert Retry(backoff=backoff).pause(2, USUAL) == 14
    assert "the usual one is used instead" in caplog.text


def test_chance_adds_up_to_half_and_takes_nothing_away():
    retry = Retry(backoff=[100])
    pauses = {retry.pause(1, USUAL) for _ in range(500)}

    assert min(pauses) >= 100
    assert max(pauses) <= 151
    assert len(pauses) > 30
    assert {Retry(backoff=0).pause(1, USUAL) for _ in range(100)} == {0}
    assert len({Backoff(100, 900).delay(1) for _ in range(500)}) > 30
    # What failed in the same second comes in different ones, however short the pause.
    assert {Retry(backoff=1).pause(1, USUAL) for _ in range(500)} == {1, 2}


@pytest.mark.parametrize(
    ("base", "longest", "least"), [(10, 900, 1), (1, 900, 1), (1, 5, 1), (40, 900, 4), (0, 900, 0)]
)
def test_what_passes_soon_waits_for_a_tenth_but_for_a_second_at_least(base, longest, least):
    """With a base of a second it came again at once, as often as not."""
    sooner = Backoff(base, longest).sooner

    assert min(sooner.delay(1) for _ in range(500)) == least
    assert max(sooner.delay(20) for _ in range(100)) <= max(longest / 10, 1) * 1.5 + 1


def test_what_grows_beyond_all_numbers_is_the_longest():
    assert exponential(longest=900)(10_000) == 900
    assert exponential(base=0)(10_000) == 0


async def asleep(tries): ...


@pytest.mark.parametrize(
    "options",
    [
        {"on": "OSError"},
        {"on": [OSError, "x"]},
        {"on": 3},
        {"tries": -1},
        {"tries": True},
        {"tries": 2.0},
        {"jitter": 1},
        {"backoff": []},
        {"backoff": "10"},
        {"backoff": [10, -1]},
        {"backoff": 43_201},
        {"backoff": float("nan")},
        {"backoff": lambda: 10},
        {"backoff": asleep},
    ],
)
def test_what_cannot_work(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Retry(**options)


@pytest.mark.parametrize("options", [{"base": -1}, {"factor": 0.5}, {"longest": "900"}])
def test_pauses_that_cannot_grow(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        exponential(**options)
