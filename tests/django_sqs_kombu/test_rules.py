"""What options, arguments and settings may be."""

from functools import partial
from operator import attrgetter
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from django_sqs_kombu import ConfigurationError
from django_sqs_kombu.rules import (
    SHOWN,
    above_zero,
    check,
    check_consumer,
    function,
    number,
    tags,
    whole,
)

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, 11, INF, NAN])
def test_no_whole_number_from_1_to_10(value):
    assert whole(1, 10)(value) == "must be a whole number from 1 to 10"


@pytest.mark.parametrize("value", [True, "1", None, -0.1, 10.1, INF, NAN])
def test_no_number_from_0_to_10(value):
    assert number(0, 10)(value) == "must be a number from 0 to 10"


@pytest.mark.parametrize("value", [True, "1", None, 0, -1, 1e10, INF, NAN])
def test_no_number_above_0(value):
    assert above_zero(43_200)(value) == "must be a number above 0 and up to 43,200"


def test_numbers_that_are_right():
    assert whole(1)(10**9) is None
    assert whole()(-5) is None
    assert number(0, 10)(0) is None
    assert number(0, 10)(9.5) is None
    assert above_zero(1)(0.001) is None


@pytest.mark.parametrize(
    "value",
    [
        ["team"],
        {"team": 5},
        {5: "team"},
        {"": "x"},
        {"k" * 129: "x"},
        {"aws:team": "x"},
        {"team": "v" * 257},
        {str(n): "x" for n in range(51)},
    ],
)
def test_tags_that_sqs_would_refuse(value):
    assert tags(value)


def test_tags_that_sqs_takes():
    assert tags({"k" * 128: "v" * 256, "empty": ""}) is None


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("threads", 0),
        ("threads", 1.5),
        ("threads", True),
        ("threads", "4"),
        ("prefetch", -1),
        ("prefetch", 0),
        ("prefetch", 2.5),
        ("message_limit", 0),
        ("message_limit", 1.5),
        ("grace_period", -1),
        ("grace_period", INF),
        ("grace_period", NAN),
        ("grace_period", None),
    ],
)
def test_arguments_of_a_consumer_that_cannot_work(argument, value):
    with pytest.raises(ConfigurationError, match=f"^{argument} must be"):
        check_consumer(**{"threads": 1, argument: value})


def test_a_huge_wrong_value_is_shown_cut():
    with pytest.raises(ConfigurationError) as caught:
        check("", {"threads": whole(1)}, {"threads": "x" * 1_000_000})

    assert len(str(caught.value)) < SHOWN + 100


class Called:
    def __call__(self, message): ...


class Awaited:
    async def __call__(self, message): ...


class AwaitedToo(Awaited):
    pass


async def awaited(message): ...


@pytest.mark.parametrize(
    "value",
    [str, {}.get, Called(), Called().__call__, attrgetter("tenant"), partial(pow, 2), lambda *a: 1],
)
def test_functions_of_one_argument(value):
    assert function(1, "the message")(value) is None


@pytest.mark.parametrize(
    "value",
    [None, "x", Called, awaited, partial(awaited), Awaited(), AwaitedToo(), isinstance, lambda: 1],
)
def test_no_functions_of_one_argument_that_answer_at_once(value):
    says = "must be a function of the message that is not asynchronous"
    assert function(1, "the message")(value) == says


@pytest.mark.parametrize("kind", [Mock, MagicMock])
def test_a_mock_that_stands_for_a_function_is_one(kind):
    assert function(1, "the message")(kind(spec=lambda message: None)) is None
    assert function(1, "the message")(AsyncMock()) is not None
