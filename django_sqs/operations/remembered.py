"""Remembered: what AWS has said lately, in Django's cache, which is spared where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from django.core.cache import cache, caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.db import connections, router, transaction

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
        with _apart(router.db_for_read):
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
                with _apart(router.db_for_write):
                    cache.set_many(dict(asked), seconds)
            except Exception as exc:  # noqa: BLE001 - as above: it may be full
                _tell(exc)
    return known


def forget(keys: Iterable[str]) -> None:
    """Have them asked for again the next time."""
    try:
        with _apart(router.db_for_write):
            cache.delete_many(list(keys))
    except Exception as exc:  # noqa: BLE001 - what was done is done
        _tell(exc)


def _apart(alias_of: Callable[[Any], str]) -> AbstractContextManager[None]:
    """Keep what fails of a cache that is a table from the transaction that the caller is in.

    PostgreSQL would undo all of it at its end, without a word.
    """
    backend: Any = caches["default"]
    if isinstance(backend, BaseDatabaseCache):
        alias = alias_of(backend.cache_model_class)
        if connections[alias].in_atomic_block:
            return transaction.atomic(using=alias)
    return nullcontext()


def _tell(exc: Exception) -> None:
    logger.warning("Django's cache cannot be used, so AWS is asked each time: %s", repr_of(exc))
