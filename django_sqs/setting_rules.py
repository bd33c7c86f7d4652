"""Rules of settings: what is wrong with a value, or None."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

#: A token that could be guessed opens the views to anybody.
SHORTEST_TOKEN = 16

_REGION = re.compile(r"(?![0-9]+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_WAKE = re.compile(r"(cache|postgres)(:\S+)?|(rediss?|unix)://\S+")


def token(value: Any) -> str | None:
    """A token that is not guessed."""
    if value is None or (isinstance(value, str) and len(value) >= SHORTEST_TOKEN):
        return None
    return f"must be a string of {SHORTEST_TOKEN} characters or more"


def region(value: Any) -> str | None:
    """The name of a region, as boto3 takes it: no space or line break around it."""
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        return "must be a string"
    return None if _REGION.fullmatch(value) else "must be a region's name such as 'eu-central-1'"


def url(value: Any) -> str | None:
    """The URL of a server, without credentials."""
    if value in (None, ""):
        return None
    parts = split_url(value)
    if parts is None or parts.scheme not in ("http", "https"):
        return "must be a URL such as 'http://127.0.0.1:4566'"
    if parts.username is not None or parts.password is not None:
        return (
            "must contain no credentials: they belong in SQS_ACCESS_KEY_ID and "
            "SQS_SECRET_ACCESS_KEY"
        )
    return None


def split_url(value: Any) -> SplitResult | None:
    """The parts of a URL with a host; None where *value* is no such URL."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts is None or not parts.hostname:
            return None
        _ = parts.port  # it is read now, and may be no number
    except ValueError:
        return None
    return parts


def wake(value: Any) -> str | None:
    """A channel of wake-up calls."""
    if value is None:
        return None
    if not (isinstance(value, str) and _WAKE.fullmatch(value)):
        return "must be 'cache', 'postgres', either with ':ALIAS', or a URL such as 'redis://host'"
    if value.startswith("redis") and split_url(value) is None:
        return (
            "must be a URL; in a user name or password, '/', '@', ':' and '%' are percent-encoded"
        )
    return None


def queue_names(value: Any) -> str | None:
    """Names of registered queues."""
    if isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(name, str) and name for name in value
    ):
        return None
    return "must be a list of the names that queues are registered with"
