"""Remembered: what AWS has said lately, in Django's cache, which is spared where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from django.core.cache import cache

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import repr_of

logger = get_logger(__name__)

Value = TypeVar("Value")


def remembered(
    keys: Sequence[str], seconds: float, ask: Callable[[list[str]], Mapping[str, Value]]
) -> dict[str, Value]:
    """The values of *keys*; what the cache does not have, or cannot say, is asked for.

    :param seconds: how long an answer is kept.
    :param ask: returns the values of those keys that it is given.
    """
    works, known = True, {}
    try:
        known = cache.get_many(keys)
    except Exception as exc:  # noqa: BLE001 - whatever a cache may raise
        works = False
        _tell(exc)
    if missing := [key for key in keys if key not in known]:
        asked = ask(missing)
        known = {**known, **asked}
        # One that hangs is not waited for twice.
        if works:
            try:
                cache.set_many(dict(asked), seconds)
            except Exception as exc:  # noqa: BLE001 - as above: it may be full
                _tell(exc)
    return known


def forget(keys: Iterable[str]) -> None:
    """Have them asked for again the next time."""
    try:
        cache.delete_many(list(keys))
    except Exception as exc:  # noqa: BLE001 - what was done is done
        _tell(exc)


def _tell(exc: Exception) -> None:
    logger.warning("Django's cache cannot be used, so AWS is asked each time: %s", repr_of(exc))
