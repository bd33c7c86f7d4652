"""What tasks are given, and what they return."""

import json
import math
from collections import OrderedDict
from types import MappingProxyType

import pytest

from django_sqs.tasks.framework import normalize_json
from django_sqs.tasks.values import as_returned
from django_sqs.tasks.wire import body_of, new_result

from . import chores

DEEP = None
for _ in range(100_000):
    DEEP = [DEEP]


VALUES = [
    None,
    True,
    1.5,
    -(1 << 70),
    "é\ufffe",
    "\ud83d\ude00",
    "\udcff",
    (1, (2, [3])),
    {"a": {"é": (4,)}},
    {1: "a", None: {True: "b"}},
    OrderedDict(a=1),
    MappingProxyType({"a": b"bytes"}),
]


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_a_result_has_the_arguments_that_the_worker_gets(value):
    result = new_result("default", chores.double, iter([value]), {"named": value})

    sent = json.loads(json.dumps(normalize_json(value)))
    assert repr(result.args) == repr([sent])
    assert repr(result.kwargs) == repr({"named": sent})
    assert json.loads(json.dumps(body_of(result)))["args"] == [sent]


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_what_a_task_returns_is_kept_as_the_framework_says(value):
    assert repr(as_returned(value)) == repr(normalize_json(value))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (math.nan, ValueError),
        ([math.inf], ValueError),
        (object(), TypeError),
        ({"a": {1}}, TypeError),
        (DEEP, RecursionError),
    ],
    ids=["nan", "infinity", "an object", "a set", "too deep"],
)
def test_what_is_not_json_is_refused(value, error):
    with pytest.raises(error):
        new_result("default", chores.double, [value], {})
    with pytest.raises(error) as raised:
        as_returned(value)
    assert raised.value.__context__ is None


def test_a_result_keeps_its_arguments_when_their_owner_changes_them():
    items, names = [1], {"a": [2]}

    result = new_result("default", chores.double, [items], names)
    items.append(3)
    names["a"].append(4)

    assert (result.args, result.kwargs) == ([[1]], {"a": [2]})
