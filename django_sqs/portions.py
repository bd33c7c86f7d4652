"""Portions: rows for statements that each server takes, however large the rows are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

#: Rows of one statement.
MOST_ROWS = 500
#: Bytes of one, of which MySQL 5.7 takes 4 MiB by default, with what quoting adds.
MOST_BYTES = 1024 * 1024


def portions(rows: Iterable[T], text: Callable[[T], str]) -> Iterator[list[T]]:
    """The rows in their order, as many at once as one statement may write.

    :param text: returns of a row what is large, if anything is.
    """
    some: list[T] = []
    size = 0
    for row in rows:
        long = text(row)
        more = len(long) if long.isascii() else len(long.encode(errors="replace"))
        if some and (len(some) >= MOST_ROWS or size + more > MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(row)
        size += more
    if some:
        yield some


def as_json(value: Any) -> str:
    """What is written into a field that takes JSON."""
    return json.dumps(value) if value else ""
