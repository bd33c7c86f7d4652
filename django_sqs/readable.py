"""Waiting for something to read, however many files the process has open."""

from __future__ import annotations

import selectors
from collections.abc import Iterable
from typing import Any


def readable(sources: Iterable[Any], seconds: float) -> list[Any]:
    """Those of *sources* that can be read from, after *seconds* at most.

    ``select()`` takes no file whose number is over 1,023, and a process that consumes a
    thousand queues has as many sockets.

    :param sources: what has a ``fileno()``, or is a file's number.
    """
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(seconds)]
