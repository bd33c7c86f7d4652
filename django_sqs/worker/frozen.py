"""Frozen: what is loaded when a worker begins is not looked through by the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen() -> Iterator[None]:
    """Have the garbage collector leave alone what there is now, until the end.

    Modules and models live as long as the process.  A full collection would look through all of
    them for the few messages that came since, and write to each: forked processes would then
    have copies of the memory that they share.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
