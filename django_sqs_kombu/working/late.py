"""Late: a queue that is registered when its worker has chosen what to receive from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from ..logs import get_logger
from .registered import Registered, Registry

logger = get_logger(__name__)

#: Registries of whose queues this process, or the one that it was forked from, receives from all,
#: each with the names of those that it leaves to others.
_taken: list[tuple[object, Collection[str]]] = []


def received(registry: Registry) -> list[Registered]:
    """The queues of *registry* that have a receiver by now."""
    return [queue for queue in registry.select() if queue.receiver is not None]


@contextmanager
def taking_all(
    registry: Registry,
    found: Iterable[Registered] | None = None,
    *,
    chosen: object = None,
    but: Collection[str] = (),
) -> Iterator[None]:
    """Receive from all queues of *registry* that have a receiver by now, but for some.

    :param found: those that had one when the worker looked; None: it looks now.
    :param chosen: the queues that were named instead, if any were: nobody expects others then.
    :param but: the names of queues that others receive from.
    """
    if chosen:
        yield
        return
    taken = registry, but
    _taken.append(taken)
    try:
        if found is not None:
            names = {*but, *(registered.name for registered in found)}
            for registered in received(registry):
                if registered.name not in names:
                    _warn(registered)
        yield
    finally:
        _taken.remove(taken)


def warn_if_late(registry: object, registered: Registered, earlier: Registered | None) -> None:
    """Warn of a receiver that nobody runs, since the queue was registered too late.

    :param earlier: what the queue was registered as before.
    """
    if registered.receiver is None or (earlier is not None and earlier.receiver is not None):
        return
    if any(each is registry and registered.name not in but for each, but in _taken):
        _warn(registered)


def _warn(registered: Registered) -> None:
    logger.warning(
        "Queue %r was registered after this worker had started, which receives nothing from "
        "it. Register it in a module that is imported at the start.",
        registered.name,
    )
