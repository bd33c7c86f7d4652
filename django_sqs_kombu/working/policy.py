"""Policy: what happens to a message whose receiver fails, by the exception."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ..exceptions import ConfigurationError
from ..rules import shown
from .retry import Exceptions, Retry, exceptions

#: What fails is deleted, and that is meant so.
DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens to a message whose receiver fails; None: not specified.

    :param retry: which exceptions are retried, and how: a :class:`Retry`, or several.
    :param discard: exceptions whose message is deleted at once.
    :param dead_letter: exceptions whose message is sent to the dead-letter queue at once.
    :param on_error: ``"delete"``: a message that fails otherwise, or has used up its tries, is
        deleted, even if the queue has a redrive policy in SQS.
    :raises ConfigurationError: it cannot work, for example because a class is named twice.
    """

    retry: tuple[Retry, ...] | None = None
    discard: Exceptions | None = None
    dead_letter: Exceptions | None = None
    on_error: str | None = None

    def __post_init__(self) -> None:
        if self.retry is not None:
            object.__setattr__(self, "retry", _retries(self.retry))
        for name in ("discard", "dead_letter"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, exceptions(name, value))
        if self.on_error not in (None, DELETE):
            raise ConfigurationError(f"on_error must be {DELETE!r}, not {shown(self.on_error)}")
        named: set[type] = set()
        for each in self._named():
            if each in named:
                raise ConfigurationError(
                    f"{each.__qualname__} appears twice in retry, discard and dead_letter"
                )
            named.add(each)

    def _named(self) -> Iterable[type[BaseException]]:
        for retry in self.retry or ():
            yield from retry.on
        yield from self.discard or ()
        yield from self.dead_letter or ()

    def over(self, defaults: Policy) -> Policy:
        """This policy, with *defaults* for what it says nothing of.

        Of the defaults' exceptions those are left out that this one names for something else.
        """
        if self == NO_POLICY:
            # As most queues have none of their own.
            return defaults
        own = set(self._named())
        values: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            default = getattr(defaults, field.name)
            values[field.name] = _without(default, own) if value is None else value
        return Policy(**values)

    @property
    def counts_tries(self) -> bool:
        """Whether anything is tried again for a number of times."""
        return bool(self.retry)

    @property
    def most_tries(self) -> int:
        """The largest number of tries."""
        return max((retry.tries for retry in self.retry or ()), default=0)


#: Nothing is said.
NO_POLICY = Policy()


def _retries(value: Any) -> tuple[Retry, ...]:
    found = (value,) if isinstance(value, Retry) else value
    if not isinstance(found, str) and isinstance(found, Iterable):
        found = tuple(found)
        if all(isinstance(each, Retry) for each in found):
            return found
    raise ConfigurationError(f"retry must be a Retry, or a list of them, not {shown(value)}")


def _without(default: Any, named: set[type[BaseException]]) -> Any:
    """What the *default* says of others than the *named* exceptions."""
    if not isinstance(default, tuple) or not named:
        return default
    left: list[Any] = []
    for each in default:
        if not isinstance(each, Retry):
            left += [] if each in named else [each]
        elif on := tuple(cls for cls in each.on if cls not in named):
            left.append(Retry(on, each.tries, each.backoff, each.jitter))
    return tuple(left)
