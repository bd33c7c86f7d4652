"""Values: what tasks are given, and what they return, as JSON keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from .framework import normalize_json

#: JSON takes longer integers, up to a limit of Python's.
_LARGEST = 1 << 64
#: What _plain() raises of a value that is to be looked at more closely.
_UNSURE = (TypeError, UnicodeEncodeError, RecursionError)
_strictly = json.JSONEncoder(allow_nan=False).encode


def as_sent(value: Any) -> Any:
    """A copy of *value* as the worker gets it: a key that is a number, say, is text then.

    :raises TypeError: it is not JSON.
    :raises ValueError: nor is NaN, or infinity.
    """
    return _plain_or(value, lambda normal: json.loads(_strictly(normal)))


def as_returned(value: Any) -> Any:
    """What a task returned, as its result keeps it.

    :raises TypeError: it is not JSON.
    :raises ValueError: nor is NaN, or infinity.
    """
    return _plain_or(value, _checked)


def _checked(normal: Any) -> Any:
    _strictly(normal)
    return normal


def _plain_or(value: Any, otherwise: Callable[[Any], Any]) -> Any:
    try:
        return _plain(value)
    except _UNSURE:
        pass  # What is raised below is not for the sake of this.
    return otherwise(normalize_json(value))


def _plain(value: Any) -> Any:
    """A copy of what JSON changes nothing of: nearly every value, at a third of the cost.

    :raises TypeError: it may become another value on its way, or is no JSON.
    :raises UnicodeEncodeError: so may text that has halves of characters.
    """
    kind = type(value)
    if kind is str:
        if not value.isascii():
            value.encode()
        return value
    if value is None or kind is bool:
        return value
    if (kind is int and -_LARGEST < value < _LARGEST) or (kind is float and math.isfinite(value)):
        return value
    if kind is list or kind is tuple:
        return [_plain(each) for each in value]
    if kind is dict and all(type(key) is str and key.isascii() for key in value):
        return {key: _plain(each) for key, each in value.items()}
    raise TypeError
