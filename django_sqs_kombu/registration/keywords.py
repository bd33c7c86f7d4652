"""Keywords: what may be said by name when a queue is registered or a message is sent."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from ..exceptions import ConfigurationError
from ..messages.base import RawMessage
from ..rules import check, check_names, check_several, function, optional, shown, whole
from ..working.breaker import Breaker
from ..working.retry import Retry
from .grouping import GroupOf

#: The options of send_many that are the same for all its messages.
_PROGRESS = function(1, "the number of messages accepted so far")
_MANY_RULES = {"parallel": optional(whole(1)), "progress": optional(_PROGRESS)}


class QueueKeywords(TypedDict, total=False):
    """The options of a queue, all of them optional."""

    visibility_timeout: int | None
    """Seconds that a received message stays hidden from others, 1 to 43,200; None: the registry's
    default."""
    message_class: type[RawMessage] | None
    """A subclass of :class:`RawMessage`; default :class:`Message`."""
    model: Any
    """Instead of *message_class*: a pydantic model or a dataclass, whose instances the messages
    carry as JSON, validated as they are received.  With one of the classes for AWS's events: what
    is inside them."""
    timeout: float | None
    """Seconds a receiver may run, then TimedOut is raised in it; 43,200 at most, or a year with
    *delete_on_start*."""
    delete_on_start: bool
    """Delete a message before its receiver runs, not after.  Not in a FIFO queue: the next message
    of the group would run beside it."""
    suffixes: Iterable[str]
    """The known queue name suffixes; any other causes a warning."""
    wire_format: str | None
    """``"kombu"`` or ``"raw"``; None: the registry's default."""
    dead_letter_queue: str | None
    """The name, without prefix, of the queue where SQS moves a message that was received
    *max_receives* times and not deleted.  It is created, and attached when this queue is
    created."""
    max_receives: int | None
    """1 to 1,000; default 5.  Below 3 there is a warning: SQS may dead-letter a message that no
    receiver failed on."""
    tags: Mapping[str, str] | None
    """Cost allocation tags, for the queue's creation."""
    kms_key: str | None
    """The KMS key that encrypts the queue, for its creation."""
    high_throughput: bool
    """Have SQS deduplicate and limit a FIFO queue by message group, for its creation: many
    thousands of messages a second instead of 300."""
    priority: int
    """Where one process receives from several queues, the messages of those with a higher priority
    are received first."""
    process_group: str | None
    """Queues of one group are served by one process, so that their priorities count; default: each
    queue has a process of its own."""
    retry: Retry | Iterable[Retry] | None
    """Which exceptions of the receiver are tried again: a :class:`~django_sqs_kombu.Retry`, or
    several; ``()``: none; None: the registry's default.  Of this and the
    registry's ``retry_on`` whichever names the more specific class counts, and else this one."""
    discard: type[BaseException] | Iterable[type[BaseException]] | None
    """Exceptions whose message is deleted at once, or one; None: the registry's default."""
    dead_letter: type[BaseException] | Iterable[type[BaseException]] | None
    """Exceptions whose message is sent to the dead-letter queue at once, with the reason; None: the
    registry's default."""
    on_error: str | None
    """``"delete"``: what fails is deleted, even where the queue has a redrive policy in SQS, and
    no check warns about it.  ``"bisect"``, with *batch*: where the receiver raises, it is run on
    both halves, and so on, until the messages that it fails on are found, and settled alone."""
    concurrency: int | None
    """How many of its receivers may run at once in a process, however many threads there are;
    None: as many as there are threads.  Messages beyond that are not received."""
    rate: str | None
    """How many of its messages may be received in a time: ``"900/m"``, of s, m, h or d, by each
    process of a registry without a shared counter, by all workers of a project."""
    breaker: Breaker | None
    """Stops receiving for a while when many messages fail; see :class:`Breaker`."""
    tenant: GroupOf | None
    """A function of the message that says whose it is: its group in a fair queue, so that no
    tenant's messages wait for another's.  For standard queues only."""
    key: GroupOf | None
    """A function of the message; of each key's messages *at_most* are worked on at once, by all
    workers of all hosts.  For FIFO queues only."""
    at_most: int | None
    """See *key*; with more than 1 the order within a key is lost."""
    every: timedelta | None
    """The time from one message with its slot to the next; see :class:`Schedule`.  Without Django's
    database (the app django_sqs.schedules) for FIFO queues only."""
    cron: str | None
    """When such messages are sent, instead of *every*."""
    timezone: str | None
    """The time zone of *cron*; None: UTC, or with Django that of the project."""
    catch_up: timedelta | None
    """How late such a message may be sent; None: an hour, or 4 minutes without a database, where
    that is the most."""
    batch: int | None
    """The receiver gets a list of so many messages at most, 1 to 1,000; None: it gets one message.
    When it returns, all are done except those for which it has called ``message.fail(exc)`` or
    ``message.restart(delay)``; what it raises applies to all."""
    wait: float | None
    """Seconds that the first message of a batch waits for others, above 0 and up to 300; default
    1, or 0.05 for a FIFO queue."""


class RegisterKeywords(QueueKeywords, total=False):
    """What ``register`` and ``receiver`` accept besides the options of a queue."""

    celery_task: Any
    """A Celery task, or its name, that each message is handed to; the function, if there is one,
    then makes the task's arguments from the message.  See
    :class:`~django_sqs_kombu.registration.forward.CeleryForward`."""


class MessageKeywords(TypedDict, total=False):
    """The arguments of this library's message classes, if no message is given.

    For a class with arguments of its own, pass the message itself.
    """

    body: Any
    """The value of the message."""
    s3_url: str | None
    """For a :class:`BigMessage`: the object, if it is already in S3."""


class SendKeywords(MessageKeywords, total=False):
    """How one message is sent."""

    delay: float | timedelta | None
    """Seconds until it can be received, or a timedelta, at most 14 days.  Above 900 s, SQS's
    longest DelaySeconds, receivers of this library send it again until it is due.  Not for FIFO
    queues."""
    group_id: str | None
    """The message group of a FIFO queue, or of a fair one."""
    deduplication_id: str | None
    """The deduplication id of a FIFO queue."""
    attributes: Mapping[str, str] | None
    """SQS message attributes, text by name: at most 10, and at most 9 with a delay above 900 s, or
    *expires*, which need one."""
    expires: float | timedelta | datetime | None
    """Seconds from now, a timedelta or an aware datetime: a receiver that would start later than
    that is not started, and the message is deleted and counted separately, as
    :class:`~django_sqs_kombu.MessageExpired`."""
    ticket: bool | None
    """Whether the :class:`~django_sqs_kombu.Ticket` that is returned can cancel the message.
    That uses one of the attributes, and a note is written when the receiver starts.  None: yes if
    the message is delayed, an attribute is free, and there is a store of tickets."""
    unique: str | None
    """A key: while another message to the queue has it, nothing is sent, and the ticket of that
    message is returned, with ``sent`` False.  The message itself gets a ticket."""
    unique_for: float | timedelta | None
    """How long the message keeps the key after it was sent, in seconds or as a timedelta."""
    unique_until: Literal["started", "finished"] | None
    """What frees the key earlier: ``"started"``, a receiver starts on the message, so at most one
    waits; ``"finished"``, it will not be run any more, so at most one waits or runs.  A retry
    does not free it.  None: nothing does."""


class SendManyKeywords(TypedDict, total=False):
    """How several messages are sent."""

    delay: float | timedelta | Sequence[float | timedelta | None] | None
    """Seconds until they can be received, or a timedelta; or a sequence, one for each item."""
    group_id: str | Callable[[Any], str] | Sequence[str | None] | None
    """The message group of a FIFO queue, a function that returns an item's, or a sequence.  The
    messages of each group are sent in order."""
    expires: float | timedelta | datetime | Sequence[Any] | None
    """As for one message; or a sequence, one for each item."""
    parallel: int | None
    """How many requests may be under way at once; None: enough to keep the sender busy while SQS
    answers, at most 16 (4 over boto3)."""
    progress: Callable[[int], None] | None
    """Called with the number of messages accepted so far."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """The options that a class of queues takes, each in the TypedDict that declares it.

    :param register: when it is registered.
    :param message: what its messages are made of.
    :param send: when one message is sent, *message* included.
    :param send_many: when many are.
    """

    register: type
    message: type
    send: type
    send_many: type

    def check_register(self, queue: str, given: Collection[str]) -> None:
        """Raise :class:`ConfigurationError` for an option that queues do not have."""
        known = names(self.register)
        for name in given:
            if name not in known and name in names(self.send):
                raise ConfigurationError(
                    f"Queue {shown(queue)} has no option {shown(name)}: it is an option of send()"
                )
        check_names(f"Queue {shown(queue)}", known, given)
        if "celery_task" in given:
            # It makes the receiver, and the queue comes after that.
            raise ConfigurationError(
                f"Queue {shown(queue)}: celery_task is an option of register() and receiver(), "
                "not of the queue's class; register the queue with it"
            )

    def check_send(self, queue: str, message_class: type, given: Iterable[str]) -> None:
        """Raise :class:`ConfigurationError` for what neither sending nor *message_class* has."""
        own = arguments(message_class)
        if own is None or own.issuperset(given):
            return
        elsewhere = frozenset(names(self.message)) - own
        known = [name for name in names(self.send) if name not in elsewhere]
        check_names(
            f"Queue {shown(queue)}: send()", tuple(dict.fromkeys([*known, *sorted(own)])), given
        )

    def check_send_many(
        self, queue: str, model: type | None, items: object, given: Mapping[str, Any]
    ) -> None:
        """Raise :class:`ConfigurationError` for an unknown or wrong option, or one message alone.

        :param model: the queue's, whose instances may be iterable.
        """
        what = f"Queue {shown(queue)}: send_many()"
        check_names(what, names(self.send_many), given)
        check(f"{what}: ", _MANY_RULES, {name: given.get(name) for name in _MANY_RULES})
        single = (RawMessage,) if model is None else (RawMessage, model)
        check_several(f"{what} takes messages (send() takes one)", items, single)


KEYWORDS = Keywords(RegisterKeywords, MessageKeywords, SendKeywords, SendManyKeywords)


@functools.cache
def names(keywords: type) -> tuple[str, ...]:
    """The names of the options that a TypedDict declares, in their order."""
    return tuple(keywords.__annotations__)


@functools.cache
def arguments(message_class: type) -> frozenset[str] | None:
    """What a message of *message_class* is made of, by keyword; None: it takes any."""
    try:
        parameters = inspect.signature(message_class).parameters.values()
    except ValueError:
        # One that is written in C and does not tell.
        return None
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    return frozenset(
        each.name
        for each in parameters
        if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)
    )
