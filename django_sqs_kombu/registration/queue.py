"""RegisteredQueue: one queue name with its receiver, message class and options."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, ClassVar

import kombu

from ..exceptions import ConfigurationError, NoReceiver, WrongMessageClass
from ..messages.base import RawMessage
from ..names import join_name, validate_name, warn_of_suffix
from ..rules import shown
from ..unpack import Unpack
from ..working.attempt import attempt, receive, receive_all, runs_receiver
from ..working.consumer import ReceiverConsumer
from ..working.coroutines import run_in_thread_loop
from ..working.handling import handle
from ..working.interrupts import Interrupts
from ..working.middleware import NOTHING
from ..working.policy import Policy
from ..working.rate import Rate
from ..working.registered import Attempt, Received
from ..working.table import UNDECIDED, Row, table_now
from ..working.tickets import Ticket
from .declaration import DEFAULT_MAX_RECEIVES, QueueDeclaration
from .keywords import KEYWORDS, Keywords, QueueKeywords, SendKeywords, SendManyKeywords
from .on_loop import OnLoop
from .options import FEW_RECEIVES, QueueOptions, Receiver
from .outgoing import Outgoing, each, encoded, unmade_of
from .pausing import Pausing
from .proxy import ReceiverProxy
from .scheduling import Scheduling
from .sender import Defaults, Prepared, Sender
from .ticketing import Cancelling, is_ticketed

#: How many of its queues in SQS, one for each suffix, a registered queue keeps; suffixes may
#: be made at run time, without an end.
MOST_KEPT = 100

# Under its own name it would be hidden inside the class below.
_Proxy = ReceiverProxy


class RegisteredQueue(Pausing, Scheduling, OnLoop, Cancelling):
    """A queue that messages are sent to and, with a receiver, received from.

    Its options are those of :class:`~django_sqs_kombu.registration.keywords.QueueKeywords`.

    :param receivers: the registry that it belongs to.
    :raises ConfigurationError: an option is invalid.
    """

    ReceiverProxy: ClassVar[type[_Proxy[Any, Any, Any]]] = _Proxy
    #: What it may be told by name.
    keywords: ClassVar[Keywords] = KEYWORDS

    def __init__(
        self,
        name: str,
        receiver: Receiver | None = None,
        *args: Any,
        receivers: Sender,
        **options: Unpack[QueueKeywords],
    ) -> None:
        self.keywords.check_register(name, options)
        #: What was said at the registration.
        self.options = chosen = QueueOptions(name, receiver, *args, **options)
        self.receivers = receivers
        self.name = chosen.name
        self.receiver = chosen.receiver
        self.message_class = chosen.carried()
        self.model = chosen.model
        self.timeout = chosen.timeout
        self.delete_on_start = chosen.delete_on_start
        self.suffixes = tuple(chosen.suffixes)
        self.dead_letter_queue = chosen.dead_letter_queue
        self.priority = chosen.priority
        self.concurrency = chosen.concurrency
        self.rate = None if chosen.rate is None else Rate.read(chosen.rate)
        self.breaker = chosen.breaker
        self.schedule = chosen.schedule
        if self.schedule is not None:
            self.check_slots(chosen.catch_up)
            self.check_slot_message()
        self.batch, self.bisects = chosen.batch, chosen.bisects
        self.wait = chosen.waits
        self.process_group = chosen.process_group or chosen.name
        self._table = UNDECIDED
        self._queues: dict[tuple[Defaults, str | None], kombu.Queue] = {}

    @property
    def visibility_timeout(self) -> int:
        """Seconds that a received message stays hidden from others."""
        own = self.options.visibility_timeout
        return self.receivers.defaults.visibility_timeout if own is None else own

    @property
    def wire_format(self) -> str:
        """The format of the messages sent: ``"kombu"`` or ``"raw"``."""
        return self._wire_format(self.receivers.defaults)

    def full_name(self, suffix: str | None = None) -> str:
        """Return the queue's name in SQS: prefix, name and suffix joined with ``__``.

        An unknown suffix causes an :class:`UnknownSuffixWarning`.
        """
        self._check_suffix(suffix)
        return self._full_name(self.receivers.defaults, suffix)

    @property
    def full_dead_letter_name(self) -> str | None:
        """Return the name in SQS of its dead-letter queue, if it was registered with one."""
        return self._full_dead_letter_name(self.receivers.defaults)

    @property
    def buries_early(self) -> bool:
        """Whether SQS may dead-letter its messages though no receiver failed."""
        most = self.options.max_receives
        return most is not None and most < FEW_RECEIVES

    @property
    def policy(self) -> Policy:
        """What happens to a message whose receiver fails, including the registry's defaults."""
        return self.options.policy.over(self.receivers.policy)

    @property
    def table(self) -> tuple[Row, ...]:
        """What happens to its messages; the first row that matches counts."""
        self._table = table_now(self, self._table)
        return self._table

    def get_queue(self, suffix: str | None = None) -> kombu.Queue:
        """Return the queue as a :class:`kombu.Queue`, with its declaration.

        It is made once and shared, so bind it (``queue(channel)``), but do not change it.
        """
        return self._queue(self.receivers.defaults, suffix)

    def make_queue(self, defaults: Defaults, suffix: str | None) -> kombu.Queue:
        """Make what :meth:`get_queue` returns and keeps, where the registry has *defaults*."""
        own = self.options
        return QueueDeclaration(
            self._full_name(defaults, suffix),
            defaults.visibility_timeout
            if own.visibility_timeout is None
            else own.visibility_timeout,
            self._wire_format(defaults),
            self._full_dead_letter_name(defaults),
            own.max_receives or DEFAULT_MAX_RECEIVES,
            own.tags,
            own.kms_key,
            own.high_throughput,
            counts_receives=self.receiver is not None and self.policy.counts_tries,
        ).to_kombu()

    def _queue(self, defaults: Defaults, suffix: str | None) -> kombu.Queue:
        self._check_suffix(suffix)
        # By the defaults, too: a test overrides settings, and another prefix is another queue.
        key = defaults, suffix
        queue = self._queues.get(key)
        if queue is None:
            queue = self.make_queue(defaults, suffix)
            if len(self._queues) >= MOST_KEPT:
                self._queues.clear()
            self._queues[key] = queue
        return queue

    def _full_name(self, defaults: Defaults, suffix: str | None) -> str:
        return validate_name(join_name(defaults.prefix, self.name, suffix))

    def _full_dead_letter_name(self, defaults: Defaults) -> str | None:
        if self.dead_letter_queue is None:
            return None
        return validate_name(join_name(defaults.prefix, self.dead_letter_queue))

    def _wire_format(self, defaults: Defaults) -> str:
        return self.options.wire_format or defaults.wire_format

    def _check_suffix(self, suffix: str | None) -> None:
        if suffix is not None and not isinstance(suffix, str):
            raise ConfigurationError(
                f"Queue {self.name!r}: suffix must be a string, not {shown(suffix)}"
            )
        if suffix and suffix not in self.suffixes:
            warn_of_suffix(self.name, suffix, self.suffixes)

    def get_receiver_proxy(self) -> _Proxy[Any, Any, RegisteredQueue]:
        """Return a callable that sends to this queue."""
        return self.ReceiverProxy(self)

    def send(
        self, message: object = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send a message; return when SQS has accepted it.

        :param message: an instance of the queue's message class, or of its *model*; None: it is
            built from the other options, such as ``body="..."``.
        :param suffix: the queue name suffix to use.
        :param options: those of :class:`~django_sqs_kombu.registration.keywords.SendKeywords`.
        :raises WrongMessageClass: *message* is of another class.
        :raises MessageEncodeError: its value cannot be encoded.
        :raises ConfigurationError: there is no such option.
        :raises RequestFailed: SQS did not accept it.
        """
        return self.prepare(message, suffix, **options).send()

    # What a subclass's send takes, as well: so the options have no type here.
    def prepare(
        self, message: object = None, suffix: str | None = None, **options: Any
    ) -> Prepared:
        """Do everything in :meth:`send` that does not need SQS; calling the result sends."""
        defaults = self.receivers.defaults
        queue = self._queue(defaults, suffix)
        outgoing = self._make(self._wire_format(defaults), message, **options)
        return Prepared(self.receivers, self, queue, outgoing, message)

    def outgoing(self, message: object = None, **options: Any) -> Outgoing:
        """A message as it is to be sent; the options are those of :meth:`send`."""
        return self._make(self.wire_format, message, **options)

    def _make(
        self,
        wire_format: str,
        message: object = None,
        /,
        *,
        delay: float | timedelta | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        attributes: Mapping[str, str] | None = None,
        expires: float | timedelta | datetime | None = None,
        ticket: bool | None = None,
        unique: str | None = None,
        unique_for: float | timedelta | None = None,
        unique_until: str | None = None,
        **kwargs: Any,
    ) -> Outgoing:
        made = self._message(message, kwargs)
        return Outgoing.to(
            self.name,
            encoded(wire_format, made),
            delay=delay,
            group_id=self.options.grouping.of(made) if group_id is None else group_id,
            deduplication_id=deduplication_id,
            attributes=attributes,
            expires=expires,
            ticket=is_ticketed(self, ticket, unique, delay, attributes),
            unique=unique,
            unique_for=unique_for,
            unique_until=unique_until,
        )

    def encode(self, message: object = None, **kwargs: Any) -> tuple[str, str]:
        """Return the text and content type of *message*, or of one made from *kwargs*.

        :raises WrongMessageClass: *message* is of another class.
        :raises MessageEncodeError: its value cannot be encoded.
        """
        return encoded(self.wire_format, self._message(message, kwargs))

    def _message(self, message: object, kwargs: Mapping[str, Any]) -> RawMessage:
        if kwargs:
            self.keywords.check_send(self.name, self.message_class, kwargs)
        if self.model is not None and isinstance(message, self.model):
            message = self.message_class.from_value(message)
        if message is None:
            return self.message_class(**kwargs)
        if not isinstance(message, self.message_class):
            raise WrongMessageClass(self.name, message, self.message_class)
        if kwargs:
            raise ConfigurationError(
                f"Queue {self.name!r}: give a message or the arguments for one "
                f"({', '.join(kwargs)}), not both"
            )
        return message

    async def asend(
        self, message: object = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send from asynchronous code, in a thread; sends awaited together share requests."""
        return await asyncio.to_thread(self.prepare(message, suffix, **options).send)

    def send_many(
        self,
        items: Iterable[Any],
        suffix: str | None = None,
        **options: Unpack[SendManyKeywords],
    ) -> int:
        """Send many messages, 10 to a request, and several requests at once.

        :param items: any iterable; it is read while sending, so it may have any length.  Each
            item is a message, or its value.
        :param suffix: the queue name suffix to use.
        :param options: those of :class:`~django_sqs_kombu.registration.keywords.SendManyKeywords`.
        :returns: how many were sent.
        :raises SendManyFailed: some were not accepted; it lists them, and why.
        :raises ConfigurationError: there is no such option, or *items* is a single message.
        """
        self.keywords.check_send_many(self.name, self.model, items, options)
        return self.receivers.send_bulk(
            self,
            self.get_queue(suffix),
            items,
            self.encoder(options.get("delay"), options.get("group_id"), options.get("expires")),
            parallel=options.get("parallel"),
            progress=options.get("progress"),
        )

    def encoder(
        self, delay: Any = None, group_id: Any = None, expires: Any = None
    ) -> Callable[[Any], Outgoing]:
        """What makes of each item of :meth:`send_many`, in turn, what is to be sent."""
        next_delay, next_group = each(delay, "delay"), each(group_id, "group_id")
        next_expiry = each(expires, "expires")
        wire_format = self.wire_format

        def encode(item: Any) -> Outgoing:
            seconds, group, until = next_delay(), next_group(), next_expiry()
            try:
                group = group(item) if callable(group) else group
                own = isinstance(item, self.message_class)
                message = item if own else self.message_class.from_value(item)
                group = self.options.grouping.of(message) if group is None else group
                content = encoded(wire_format, message)
                return Outgoing.to(self.name, content, delay=seconds, group_id=group, expires=until)
            except Exception as exc:  # noqa: BLE001 - it is told with the message group
                error = unmade_of(exc, group)
                raise error from error.__cause__

        return encode

    def around_message(self) -> AbstractContextManager[None]:
        """Return a context in which each message is decoded, received and settled."""
        return NOTHING

    def attempt(self, delivery: Received, queue: kombu.Queue) -> Attempt:
        """Decode *delivery* and run the receiver on it."""
        return attempt(self, delivery, queue)

    def counts_as(self, raised: BaseException) -> BaseException:
        """Return what an exception of a message class or a receiver is to the table."""
        return raised

    def receive(self, message: RawMessage) -> Any:
        """Run the receiver on *message*, within ``timeout``; return what it returns.

        :raises NoReceiver: the queue was registered for sending only.
        """
        alone = self.batch is None
        result = receive(self, message) if alone else self.receive_batch([message])
        if message.verdict is not None:
            raise message.verdict
        return result

    def receive_batch(self, messages: list[RawMessage]) -> Any:
        """Run the receiver on several messages at once, within ``timeout``."""
        return receive_all(self, messages)

    def run_async(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """Await what a receiver returned, on this thread's event loop, within *timeout*."""
        return run_in_thread_loop(awaitable, timeout)

    def receive_single(self, suffix: str | None = None) -> tuple[RawMessage | None, Any] | None:
        """Receive one message, for debugging.

        Return the message and what the receiver returned, or None if no message
        arrived within the poll period.  The message is settled as any other; an exception of its
        receiver is raised.

        :raises NoReceiver: the queue was registered for sending only.
        :raises KeyboardInterrupt: by Ctrl-C; a message whose receiver has ended is settled first.
        """
        if self.receiver is None:
            raise NoReceiver(self.name)
        queue = self.get_queue(suffix)
        with self.receivers.new_connection() as connection:
            channel = connection.default_channel
            channel.declare_lazily(queue)
            delivery = channel.get_one(queue.name)
            if delivery is None:
                return None
            # What is handled ends by itself.
            with Interrupts(lambda: None, lambda: True, runs_receiver):
                attempt = handle(self, delivery, queue).attempt
        if attempt.raised is not None:
            raise attempt.raised
        return attempt.message, attempt.result

    def receive_loop(self, message_limit: int | None = None, suffix: str | None = None) -> None:
        """Receive until *message_limit* messages were received, or for ever."""
        ReceiverConsumer(self.receivers, [self], suffix=suffix, message_limit=message_limit).run()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
