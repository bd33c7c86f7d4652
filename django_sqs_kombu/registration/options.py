"""Option rules: what the options of a registered queue may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError
from ..messages.base import RawMessage
from ..names import FIFO, join_name, validate_name
from ..quotas import LARGEST_MAX_RECEIVES, MAX_VISIBILITY_TIMEOUT
from ..transport.sqs.declaration import WIRE_FORMATS

if TYPE_CHECKING:
    from .queue import RegisteredQueue


def validate_visibility_timeout(seconds: float, where: str) -> int:
    """Return *seconds* as SQS takes it (whole, 0 to 43,200), or raise naming *where*."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ConfigurationError(f"{where} must be a number of seconds, not {seconds!r}")
    if not 0 <= seconds <= MAX_VISIBILITY_TIMEOUT or seconds != int(seconds):
        raise ConfigurationError(
            f"{where} must be a whole number of seconds from 0 to "
            f"{MAX_VISIBILITY_TIMEOUT:,} (12 hours, the limit of SQS), not {seconds!r}"
        )
    return int(seconds)


def check_options(queue: RegisteredQueue) -> None:
    """Raise :class:`ConfigurationError` for options of *queue* that cannot work."""
    where = f"Queue {queue.name!r}:"
    if queue.receiver is not None and not callable(queue.receiver):
        raise ConfigurationError(f"{where} the receiver {queue.receiver!r} is not callable")
    cls = queue.message_class
    if not (isinstance(cls, type) and issubclass(cls, RawMessage)):
        raise ConfigurationError(
            f"{where} message_class {cls!r} is not a subclass of "
            f"{RawMessage.__module__}.{RawMessage.__qualname__}"
        )
    if queue.own_visibility_timeout is not None:
        validate_visibility_timeout(queue.own_visibility_timeout, f"{where} visibility_timeout")
    if queue.own_wire_format is not None and queue.own_wire_format not in WIRE_FORMATS:
        raise ConfigurationError(
            f"{where} wire_format must be one of {', '.join(WIRE_FORMATS)}, "
            f"not {queue.own_wire_format!r}"
        )
    for suffix in (None, *queue.suffixes):
        validate_name(join_name("", queue.name, suffix))
    _check_timeout(queue, where)
    _check_dead_letters(queue, where)


def _check_timeout(queue: RegisteredQueue, where: str) -> None:
    timeout = queue.timeout
    if timeout is None:
        return
    if queue.receiver is None:
        raise ConfigurationError(f"{where} timeout is meaningful only with a receiver")
    if not isinstance(timeout, int | float) or not timeout > 0:
        raise ConfigurationError(
            f"{where} timeout must be a number of seconds above 0, not {timeout!r}"
        )


def _check_dead_letters(queue: RegisteredQueue, where: str) -> None:
    count = queue.max_receives
    if count is not None:
        if queue.dead_letter_queue is None:
            raise ConfigurationError(
                f"{where} max_receives is meaningful only with a dead_letter_queue"
            )
        if not isinstance(count, int) or not 1 <= count <= LARGEST_MAX_RECEIVES:
            raise ConfigurationError(
                f"{where} max_receives must be a whole number from 1 to "
                f"{LARGEST_MAX_RECEIVES:,}, not {count!r}"
            )
    if queue.dead_letter_queue is not None:
        validate_name(queue.dead_letter_queue)
        if queue.dead_letter_queue.endswith(FIFO) != queue.name.endswith(FIFO):
            raise ConfigurationError(
                f"{where} the dead-letter queue of a FIFO queue must be FIFO, and only of one; "
                f"{queue.dead_letter_queue!r} does not fit"
            )
