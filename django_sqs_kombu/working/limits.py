"""Limits: everything that says how many messages of a queue may be asked for now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..transport.receiving.message_limit import ReceiveLimit
from .breaker import Circuit, Trip
from .rate import RateLimit
from .registered import Registered, Registry


class Limits:
    """Several limits of a consumption as one: what one of them does not grant does not come.

    :param parts: the limits.
    """

    def __init__(self, parts: Sequence[ReceiveLimit]) -> None:
        self._parts = parts

    @property
    def reached(self) -> bool:
        """Whether one of them lets nothing through any more."""
        return any(part.reached for part in self._parts)

    def reserve(self, count: int) -> int:
        """Reserve up to *count* messages; return how many may be asked for."""
        for number, part in enumerate(self._parts):
            granted = part.reserve(count) if count else 0
            for earlier in self._parts[:number]:
                if granted < count:
                    earlier.settle(count - granted, 0)
            count = granted
            if not count:
                break
        return count

    def settle(self, reserved: int, received: int) -> None:
        """Of *reserved* messages *received* came; the others are free again."""
        for part in self._parts:
            part.settle(reserved, received)

    def give_back(self, count: int) -> None:
        """*count* received messages were given back unstarted and do not count."""
        for part in self._parts:
            part.give_back(count)


def limits_of(
    registered: Registered,
    queue: str,
    receivers: Registry,
    message_limit: ReceiveLimit | None = None,
    on_change: Callable[[Trip | None], None] = lambda trip: None,
    on_limit: Callable[[], None] = lambda: None,
) -> tuple[ReceiveLimit | None, Circuit | None]:
    """What limits how a queue is consumed, and the circuit among it, which hears of ends.

    :param queue: its name in SQS.
    :param message_limit: another limit, if there is one.
    :param on_change: called when its breaker opens, stays open, or closes (None).
    :param on_limit: called when its rate lets no more through for now.
    """
    parts: list[ReceiveLimit] = [] if message_limit is None else [message_limit]
    circuit = None
    if registered.rate is not None:
        parts.append(RateLimit(queue, registered.rate, receivers.counter, on_limit))
    if registered.breaker is not None:
        circuit = Circuit(queue, registered.breaker, on_change)
        parts.append(circuit)
    if len(parts) < 2:
        return (parts[0] if parts else None), circuit
    return Limits(parts), circuit
