"""Crossing: what a receiver raised, on its way from a process of the pool to the worker's."""

from __future__ import annotations

import pickle

from ..exceptions import Continue, ReceiverFailed, RestartLater
from ..printable import repr_of


def picklable(raised: BaseException) -> BaseException:
    """*raised*, or what says the same of a message and reaches another process."""
    if _survives(raised):
        return raised
    if isinstance(raised, RestartLater) and _survives(plain := _plain(raised)):
        return plain
    kind = next(each for each in type(raised).__mro__ if _survives(each))
    return ReceiverFailed(repr_of(raised), kind)


def _plain(raised: RestartLater) -> RestartLater:
    """What a restart of a class of the project's asks for."""
    if isinstance(raised, Continue):
        return Continue(raised.cursor, raised.delay or 0)
    return RestartLater(raised.delay, counts=raised.counts)


def _survives(value: object) -> bool:
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - what this process wrote itself
    except Exception:  # noqa: BLE001 - whatever pickling such a class may raise
        return False
    return True
