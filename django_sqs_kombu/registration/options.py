"""QueueOptions: everything that one registration says of a queue, checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from typing import Any

from ..events.event import Event
from ..exceptions import ConfigurationError
from ..messages.base import RawMessage
from ..messages.boto import Message
from ..messages.typed import typed
from ..names import FIFO, join_name, validate_name
from ..quotas import MAX_VISIBILITY_TIMEOUT
from ..rules import (
    MAX_RECEIVES,
    VISIBILITY_TIMEOUT,
    Rule,
    above_zero,
    check,
    flag,
    one_of,
    optional,
    shown,
    tags,
    takes,
    text,
    whole,
)
from ..transport.sqs.declaration import WIRE_FORMATS
from ..working.breaker import Breaker, breaker
from ..working.policy import DELETE, Policy
from ..working.rate import rate
from ..working.retry import Retry
from ..working.schedule import Schedule
from .forward import CeleryForward
from .grouping import Grouping, GroupOf

Receiver = Callable[[Any], Any]

#: The value of ``on_error`` for which the messages are sought that a batch failed for.
BISECT = "bisect"

#: The most seconds of a receiver whose message is held while it runs: SQS hides a message no
#: longer, and would then deliver it a second time.
LONGEST_TIMEOUT = MAX_VISIBILITY_TIMEOUT
#: The most where the message is deleted before: a year, which every timer can count.
LONGEST_TIMEOUT_DELETED = 365 * 86_400

#: Fewer receives before the dead-letter queue are warned of: AWS itself advises against one,
#: since SQS may count a receive whose answer no consumer got.
FEW_RECEIVES = 3

#: The most messages that a receiver gets at once, and the most seconds that the first of them
#: waits for the others.
MOST_IN_A_BATCH, LONGEST_WAIT = 1_000, 300.0
#: The same where nothing is said; of a FIFO queue, just for what came with it: SQS hands out no
#: more of its group.
DEFAULT_WAIT, DEFAULT_WAIT_FIFO = 1.0, 0.05

_RULES: dict[str, Rule] = {
    "visibility_timeout": optional(VISIBILITY_TIMEOUT),
    "timeout": optional(above_zero(LONGEST_TIMEOUT)),
    "delete_on_start": flag,
    "wire_format": optional(one_of(WIRE_FORMATS)),
    "dead_letter_queue": optional(text),
    "max_receives": optional(MAX_RECEIVES),
    "tags": optional(tags),
    "kms_key": optional(text),
    "high_throughput": flag,
    "priority": whole(),
    "process_group": optional(text),
    "concurrency": optional(whole(1)),
    "rate": optional(rate),
    "breaker": optional(breaker),
    "batch": optional(whole(1, MOST_IN_A_BATCH)),
    "wait": optional(above_zero(LONGEST_WAIT)),
}
#: Nobody receives here, so nothing is received twice.
_SENDING_RULES = {**_RULES, "visibility_timeout": optional(whole(0, MAX_VISIBILITY_TIMEOUT))}
_DELETED_RULES = {**_RULES, "timeout": optional(above_zero(LONGEST_TIMEOUT_DELETED))}


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What a registration says of a queue.

    :param name: the queue's name, without prefix and suffix.
    :param receiver: called with each message; None: the queue is for sending only.

    The others are those of
    :class:`~django_sqs_kombu.registration.keywords.QueueKeywords`.

    :raises ConfigurationError: for invalid options; its text names the queue and the option.
    """

    name: str
    receiver: Receiver | None = None
    visibility_timeout: int | None = None
    message_class: type[RawMessage] | None = None
    timeout: float | None = None
    delete_on_start: bool = False
    suffixes: Iterable[str] = ()
    wire_format: str | None = None
    _: KW_ONLY
    dead_letter_queue: str | None = None
    max_receives: int | None = None
    tags: Mapping[str, str] | None = None
    kms_key: str | None = None
    high_throughput: bool = False
    priority: int = 0
    process_group: str | None = None
    retry: Retry | Iterable[Retry] | None = None
    discard: type[BaseException] | Iterable[type[BaseException]] | None = None
    dead_letter: type[BaseException] | Iterable[type[BaseException]] | None = None
    on_error: str | None = None
    concurrency: int | None = None
    rate: str | None = None
    breaker: Breaker | None = None
    tenant: GroupOf | None = None
    key: GroupOf | None = None
    at_most: int | None = None
    every: timedelta | None = None
    cron: str | None = None
    timezone: str | None = None
    catch_up: timedelta | None = None
    batch: int | None = None
    wait: float | None = None
    model: Any = None
    policy: Policy = field(init=False)
    grouping: Grouping = field(init=False)
    schedule: Schedule | None = field(init=False)

    def __post_init__(self) -> None:
        where = f"Queue {shown(self.name)}: "
        if not isinstance(self.name, str):
            raise ConfigurationError(f"{where}its name must be a string")
        check_receiver(where, "receiver", self.receiver)
        rules = _RULES if self.receiver is not None else _SENDING_RULES
        if self.delete_on_start is True:
            rules = _DELETED_RULES
        check(where, rules, {name: getattr(self, name) for name in rules})
        # What was iterable once is read once.
        object.__setattr__(self, "suffixes", _suffixes(where, self.suffixes))
        self._check_message_class(where)
        if self.timeout is not None and self.receiver is None:
            raise ConfigurationError(f"{where}timeout is meaningful only with a receiver")
        for name in self.names:
            validate_name(name)
        if self.delete_on_start and self.name.endswith(FIFO):
            raise ConfigurationError(
                f"{where}delete_on_start cannot be combined with a FIFO queue: once a message is "
                "deleted, SQS hands out the next of its group while its receiver still runs"
            )
        if self.high_throughput and not self.name.endswith(FIFO):
            raise ConfigurationError(
                f"{where}high_throughput is for FIFO queues, whose names end in {FIFO!r}; a "
                "standard queue has no limit"
            )
        self._check_dead_letters(where)
        self._check_batch(where)
        object.__setattr__(self, "policy", self._policy(where))
        grouping = Grouping(
            where, self.name, tenant=self.tenant, key=self.key, at_most=self.at_most
        )
        object.__setattr__(self, "grouping", grouping)
        schedule = Schedule.read(where, self.every, self.cron, self.timezone, self.catch_up)
        object.__setattr__(self, "schedule", schedule)

    @property
    def names(self) -> tuple[str, ...]:
        """The queue's names without the prefix: the plain one, and one for each suffix."""
        return tuple(join_name("", self.name, suffix) for suffix in (None, *self.suffixes))

    def carried(self) -> type[RawMessage]:
        """The message class, also where *model* or nothing stands in its place."""
        if self.model is not None:
            event = self.message_class
            if event is not None and issubclass(event, Event):
                return event.carrying(self.model)
            return typed(self.model)
        return self.message_class or Message

    @property
    def bisects(self) -> bool:
        """Whether the messages are sought that a batch failed for."""
        return self.on_error == BISECT

    @property
    def waits(self) -> float:
        """Seconds that the first message of a batch waits for others."""
        usual = DEFAULT_WAIT_FIFO if self.name.endswith(FIFO) else DEFAULT_WAIT
        return usual if self.wait is None else self.wait

    def _check_batch(self, where: str) -> None:
        if self.batch is None:
            for name, value in (("wait", self.wait), ("on_error='bisect'", self.bisects or None)):
                if value is not None:
                    raise ConfigurationError(f"{where}{name} is meaningful only with batch=")
            return
        if self.receiver is None:
            raise ConfigurationError(f"{where}batch is meaningful only with a receiver")
        if self.bisects and self.name.endswith(FIFO):
            raise ConfigurationError(
                f"{where}on_error='bisect' cannot be combined with a FIFO queue: the messages "
                "behind one that fails would be handled before it"
            )
        if isinstance(self.receiver, CeleryForward):
            raise ConfigurationError(
                f"{where}batch cannot be combined with celery_task: each message is a task"
            )
        if self.delete_on_start:
            raise ConfigurationError(
                f"{where}delete_on_start cannot be combined with batch=: messages of a batch are "
                "deleted "
                "when their receiver has returned"
            )

    def _policy(self, where: str) -> Policy:
        on_error = None if self.bisects else self.on_error
        try:
            policy: Policy = Policy(self.retry, self.discard, self.dead_letter, on_error)  # type: ignore[arg-type]
        except ConfigurationError as exc:
            raise ConfigurationError(f"{where}{exc}") from None
        if policy.on_error == DELETE and (self.dead_letter_queue or policy.dead_letter):
            raise ConfigurationError(
                f"{where}on_error='delete' cannot be combined with a dead-letter queue: list the "
                "exceptions whose messages are to be deleted in discard="
            )
        return policy

    def _check_message_class(self, where: str) -> None:
        cls = self.message_class
        is_event = isinstance(cls, type) and issubclass(cls, Event)
        if self.model is not None and cls is not None and not is_event:
            raise ConfigurationError(
                f"{where}give model or message_class, not both; only the message classes for "
                "AWS's events take a model for what is inside"
            )
        if cls is not None and not (isinstance(cls, type) and issubclass(cls, RawMessage)):
            raise ConfigurationError(
                f"{where}message_class {shown(cls)} is not a subclass of "
                f"{RawMessage.__module__}.{RawMessage.__qualname__}"
            )

    def _check_dead_letters(self, where: str) -> None:
        dead = self.dead_letter_queue
        if dead is None:
            if self.max_receives is not None:
                raise ConfigurationError(
                    f"{where}max_receives is meaningful only with a dead_letter_queue"
                )
            return
        validate_name(dead)
        if dead.endswith(FIFO) != self.name.endswith(FIFO):
            raise ConfigurationError(
                f"{where}a FIFO queue needs a FIFO dead-letter queue, and any other queue one "
                f"that is not FIFO; {dead!r} does not fit"
            )
        if dead in self.names:
            raise ConfigurationError(
                f"{where}dead_letter_queue {dead!r} is the queue itself. Give it another name."
            )


def check_receiver(where: str, argument: str, fn: Any) -> None:
    """Raise :class:`ConfigurationError` unless *fn* is None or can be called with a message."""
    if fn is None:
        return
    if not callable(fn):
        raise ConfigurationError(f"{where}the {argument} {shown(fn)} is not callable")
    if not _takes_one(fn):
        raise ConfigurationError(
            f"{where}the {argument} {shown(fn)} cannot be called with one argument, the message"
        )
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise ConfigurationError(
            f"{where}the {argument} {shown(fn)} is a generator function: calling it with a "
            "message runs none of its code"
        )


def origin_of(fn: Receiver | None) -> str:
    """The name of a receiver, by which it is known when its module is loaded again."""
    if fn is None:
        return "no receiver"
    return f"{getattr(fn, '__module__', '?')}.{getattr(fn, '__qualname__', repr(fn))}"


def _takes_one(fn: Callable[..., Any]) -> bool:
    # A Celery task can be called with anything; what it runs may refuse it.
    fn = getattr(fn, "run", fn) if hasattr(fn, "apply_async") else fn
    return takes(fn, 1)


def _suffixes(where: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    suffixes = tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(suffix, str) and suffix for suffix in suffixes):
        raise ConfigurationError(f"{where}suffixes must be non-empty strings, not {shown(value)}")
    return tuple(dict.fromkeys(suffixes))
