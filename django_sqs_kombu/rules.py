"""Rules: what an option, an argument or a setting may be, each once."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import FunctionType
from typing import Any

from .exceptions import ConfigurationError
from .printable import closest
from .quotas import (
    LARGEST_MAX_RECEIVES,
    MAX_TAG_KEY_LENGTH,
    MAX_TAG_VALUE_LENGTH,
    MAX_TAGS,
    MAX_VISIBILITY_TIMEOUT,
    MAX_WAIT_TIME,
)

#: Returns what is wrong with a value, to follow its name in a sentence; None: nothing.
Rule = Callable[[Any], "str | None"]

#: How much of a wrong value an error shows, in characters.
SHOWN = 200

_NAME = re.compile(r"[A-Za-z0-9_-]+")
#: As botocore checks them.
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}|arn:aws[A-Za-z-]*:s3[A-Za-z-]*:\S+")


def check(where: str, rules: Mapping[str, Rule], values: Mapping[str, Any]) -> None:
    """Raise :class:`ConfigurationError` for the first of *values* that breaks its rule.

    :param where: stands before the value's name, such as ``"Queue 'orders': "``.
    :param rules: by the name of the value.
    """
    for name, rule in rules.items():
        if wrong := rule(values[name]):
            raise ConfigurationError(f"{where}{name} {wrong}, not {shown(values[name])}")


def check_names(what: str, known: Collection[str], given: Iterable[str]) -> None:
    """Raise :class:`ConfigurationError` for the first of *given* that is no option of *what*.

    :param what: begins the sentence, such as ``"send()"``.
    :param known: the names of its options.
    """
    for name in given:
        if name not in known:
            raise ConfigurationError(f"{what} has no option {shown(name)}{nearest(name, known)}")


def check_several(what: str, items: object, single: tuple[type, ...] = ()) -> None:
    """Raise :class:`ConfigurationError` where *items* is one value, iterable or not.

    :param what: takes several, as the error begins.
    :param single: further classes whose instances are one.
    """
    is_one = isinstance(items, (str, bytes, bytearray, memoryview, Mapping, *single))
    if is_one or not (hasattr(items, "__iter__") or hasattr(items, "__getitem__")):
        raise ConfigurationError(
            f"{what}, in a list or another iterable, not the single value {shown(items)}"
        )


def nearest(name: str, known: Collection[str]) -> str:
    """What an error says after a name that is not known: the one that may be meant, or all."""
    if near := closest(name, known):
        return f"; did you mean {near!r}?"
    return f"; its options are {', '.join(known)}"


def shown(value: Any) -> str:
    """A wrong value as an error shows it: its repr, cut."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def flag(value: Any) -> str | None:
    """True or False; no text such as ``"no"``, which would count as true."""
    return None if isinstance(value, bool) else "must be True or False"


def function(count: int, of: str) -> Rule:
    """What can be called with so many arguments, and returns its result at once.

    :param of: what they are.
    """

    def rule(value: Any) -> str | None:
        # Of an object, its class says so.
        called = (value, inspect.getattr_static(type(value), "__call__", value))
        if callable(value) and takes(value, count) and not any(map(_is_asynchronous, called)):
            return None
        return f"must be a function of {of} that is not asynchronous"

    return rule


def _is_asynchronous(fn: Any) -> bool:
    kind: type = type(fn)
    if inspect.isfunction(fn) and kind is not FunctionType:
        # A mock that stands for a function has no code that could tell.
        return False
    return inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)


def takes(fn: Callable[..., Any], count: int) -> bool:
    """Whether *fn* can be called with so many arguments, as far as can be told."""
    if hasattr(fn, "__signature__"):
        # A claim that decorators copy, not what is called.
        return True
    try:
        signature = inspect.signature(fn, follow_wrapped=False)
    except (TypeError, ValueError):
        # Some functions in C do not tell.
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def string(value: Any) -> str | None:
    """Text; may be empty."""
    return None if isinstance(value, str) else "must be a string"


def text(value: Any) -> str | None:
    """Text that is not empty."""
    return None if isinstance(value, str) and value else "must be a non-empty string"


def mapping(value: Any) -> str | None:
    """A dict."""
    return None if isinstance(value, dict) else "must be a dict"


def name_prefix(value: Any) -> str | None:
    """What may stand before a queue's name; may be empty or None."""
    if value is None or (isinstance(value, str) and (not value or _NAME.fullmatch(value))):
        return None
    return "must be made of letters, digits, '-' and '_', like SQS's queue names"


def bucket(value: Any) -> str | None:
    """A bucket of S3, as boto3 takes it: its name, or the ARN of an access point; or none."""
    if value in (None, "") or (isinstance(value, str) and _BUCKET.fullmatch(value)):
        return None
    return "must be the name of a bucket such as 'my-bucket', without 's3://' and without a path"


def tags(value: Any) -> str | None:
    """Cost allocation tags as SQS takes them."""
    if not isinstance(value, Mapping):
        return "must be a mapping of text to text"
    for key, tag in value.items():
        if not (isinstance(key, str) and isinstance(tag, str)):
            return "must be a mapping of text to text"
        if not 1 <= len(key) <= MAX_TAG_KEY_LENGTH or key.lower().startswith("aws:"):
            return (
                f"must have keys of 1 to {MAX_TAG_KEY_LENGTH} characters that do not begin "
                "with 'aws:'"
            )
        if len(tag) > MAX_TAG_VALUE_LENGTH:
            return f"must have values of at most {MAX_TAG_VALUE_LENGTH} characters"
    return None if len(value) <= MAX_TAGS else f"must have at most {MAX_TAGS} tags"


def whole(low: float | None = None, high: float | None = None) -> Rule:
    """A whole number; no bool, no float such as 60.0 and no text."""

    def rule(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and _between(low, value, high):
            return None
        return f"must be a whole number{_range(low, high)}"

    return rule


def number(low: float, high: float) -> Rule:
    """A number; no bool, no NaN and no text."""

    def rule(value: Any) -> str | None:
        if is_number(value) and low <= value <= high:
            return None
        return f"must be a number{_range(low, high)}"

    return rule


def above_zero(high: float) -> Rule:
    """A number above 0; no bool, no NaN and no text."""

    def rule(value: Any) -> str | None:
        if is_number(value) and 0 < value <= high:
            return None
        return f"must be a number above 0 and up to {high:,}"

    return rule


def one_of(choices: Iterable[str]) -> Rule:
    """One of a few texts."""
    known = tuple(choices)

    def rule(value: Any) -> str | None:
        return None if value in known else f"must be one of {', '.join(known)}"

    return rule


def optional(rule: Rule) -> Rule:
    """The same, or None."""

    def or_none(value: Any) -> str | None:
        return None if value is None else rule(value)

    return or_none


#: Seconds that a received message stays hidden. With 0 it would be received again and
#: again while its receiver runs.
VISIBILITY_TIMEOUT = whole(1, MAX_VISIBILITY_TIMEOUT)
#: Seconds that one poll waits.
POLL_PERIOD = whole(0, MAX_WAIT_TIME)
#: Receives after which SQS moves a message to the dead-letter queue.
MAX_RECEIVES = whole(1, LARGEST_MAX_RECEIVES)
#: Seconds that running receivers may take at a stop, a day at most.
GRACE_PERIOD = number(0, 86_400)

#: The arguments of a consumer of messages.
CONSUMER: dict[str, Rule] = {
    "threads": whole(1),
    "coroutines": optional(whole(1)),
    "prefetch": optional(whole(1)),
    "message_limit": optional(whole(1)),
    "grace_period": GRACE_PERIOD,
}


def check_consumer(
    threads: Any,
    prefetch: Any = None,
    message_limit: Any = None,
    grace_period: Any = 0,
    coroutines: Any = None,
) -> None:
    """Raise :class:`ConfigurationError` for arguments of a consumer that cannot work."""
    check(
        "",
        CONSUMER,
        {
            "threads": threads,
            "coroutines": coroutines,
            "prefetch": prefetch,
            "message_limit": message_limit,
            "grace_period": grace_period,
        },
    )


def is_number(value: Any) -> bool:
    """Whether it is a number, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(low: float | None, value: float, high: float | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return ""
    if high is None:
        return f" from {low:,}"
    return f" from {low:,} to {high:,}"
