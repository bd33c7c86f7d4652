"""Receivers: the registry of queues, and the connection that it sends over."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import kombu

from ..exceptions import ConfigurationError, UnknownQueue
from ..logs import get_logger
from ..names import default_name
from ..rules import (
    POLL_PERIOD,
    VISIBILITY_TIMEOUT,
    Rule,
    check,
    mapping,
    name_prefix,
    one_of,
    optional,
    whole,
)
from ..transport.sending.unsent import check_unsent
from ..transport.sqs.declaration import WIRE_FORMATS
from ..unpack import Unpack
from ..working.late import warn_if_late
from ..working.masking import Mask, mask_rule
from ..working.middleware import Middleware, Sending, around_sending
from ..working.policy import Policy
from ..working.rate import Counter
from ..working.registered import Registered
from ..working.retry import RETRY_TRIES, Retry, exceptions
from ..working.tickets import Ticket, Ticketing, TicketStore
from ..working.upkeep import ThreadUpkeep
from .batch import Batch, open_batch
from .connection import SendingConnection, connection_to
from .forward import CeleryForward, task_or_name
from .keywords import QueueKeywords, RegisterKeywords, SendKeywords, SendManyKeywords
from .options import FEW_RECEIVES, Receiver, check_receiver, origin_of
from .outgoing import Outgoing
from .proxy import M, R, ReceiverProxy
from .queue import RegisteredQueue
from .sender import Defaults

Outlet = Callable[[Registered, kombu.Queue, Outgoing], None]

logger = get_logger(__name__)

_RULES: dict[str, Rule] = {
    "prefix": name_prefix,
    "visibility_timeout": VISIBILITY_TIMEOUT,
    "poll_period": POLL_PERIOD,
    "wire_format": one_of(WIRE_FORMATS),
    "transport_options": optional(mapping),
    "retry_tries": whole(0),
    "mask": optional(mask_rule),
}
_TASK_RULES: dict[str, Rule] = {"celery_task": task_or_name}
_all: weakref.WeakSet[Receivers] = weakref.WeakSet()


class Receivers(Ticketing):
    """Queues with their receivers, registered by name.

    :param connection: a broker URL such as ``"sqs-batch://"`` (credentials from boto3's
        chain) or ``"sqs-batch://KEY:SECRET@"``, or a :class:`kombu.Connection` that uses
        this library's transport.
    :param prefix: put before each queue's name, joined with ``__``.
    :param visibility_timeout: in seconds, for queues that do not set it.
    :param poll_period: seconds that a poll waits for messages, 0 to 20; polls of a
        queue that stays empty grow to twice that, at most 20.
    :param wire_format: ``"kombu"`` or ``"raw"``, for queues that do not set it.
    :param transport_options: options of the transport, if *connection* is a URL; see
        :class:`django_sqs_kombu.transport.Channel`.
    :param retry_on: exceptions that receivers raise for a temporary cause, such as an
        unavailable database: the message is retried with backoff.
    :param retry_tries: for how many receives of a message; after that they are treated as any
        other exception.
    :param retry: for queues that do not set it: which exceptions of receivers are retried, how
        often, and with what pauses; a :class:`Retry`, or several.
    :param discard, dead_letter: likewise: exceptions whose message is deleted, or dead-lettered,
        at once.
    :param middleware: wraps everything that is sent and received, the first outermost.
    :param mask: gets a queue's registered name and a body's text; returns what logs may show.
    :param tickets: the store by which messages can be cancelled, such as :class:`CacheTickets`.
    """

    queue_class: type[RegisteredQueue] = RegisteredQueue
    #: Looks after the threads that run synchronous code for an event loop.
    upkeep: ThreadUpkeep = ThreadUpkeep()

    def __init__(
        self,
        connection: str | kombu.Connection = "sqs-batch://",
        *,
        prefix: str = "",
        visibility_timeout: int = 60,
        poll_period: int = 10,
        wire_format: str = "kombu",
        transport_options: dict[str, Any] | None = None,
        retry_on: Iterable[type[BaseException]] = (),
        retry_tries: int = RETRY_TRIES,
        retry: Retry | Iterable[Retry] | None = None,
        discard: Iterable[type[BaseException]] | None = None,
        dead_letter: Iterable[type[BaseException]] | None = None,
        middleware: Iterable[Middleware] = (),
        mask: Mask | None = None,
        tickets: TicketStore | None = None,
    ) -> None:
        given = locals()
        check("", _RULES, {name: given[name] for name in _RULES})
        self._defaults = Defaults(prefix or "", visibility_timeout, wire_format)
        self._origin = connection
        self._options = {"wait_time_seconds": poll_period, **(transport_options or {})}
        self._passing = Retry(exceptions("retry_on", retry_on), retry_tries)
        self._policy = Policy(retry, discard, dead_letter)  # type: ignore[arg-type]
        self._mask, self._tickets = mask, tickets
        self._setup()
        self.middleware += middleware

    def _setup(self) -> None:
        _all.add(self)
        #: The registered queues by name.
        self.queues: dict[str, RegisteredQueue] = {}
        #: What stands around all that is sent and received, the first outermost.
        self.middleware: list[Middleware] = []
        #: Takes what is sent in place of SQS, in tests.
        self.outlet: Outlet | None = None
        self._sending = SendingConnection(self.new_connection)

    @staticmethod
    def all() -> list[Receivers]:
        """Every registry of this process."""
        return list(_all)

    @property
    def defaults(self) -> Defaults:
        """The defaults for queues that do not set these themselves."""
        return self._defaults

    @property
    def prefix(self) -> str:
        """Put before each queue's name, joined with ``__``; may be empty."""
        return self.defaults.prefix

    @property
    def visibility_timeout(self) -> int:
        """In seconds, for queues that do not set it."""
        return self.defaults.visibility_timeout

    @property
    def passing(self) -> Retry:
        """Exceptions for a temporary cause, and for how many receives they count as such."""
        return self._passing

    @property
    def mask(self) -> Mask | None:
        """What logs may show of bodies; None: everything."""
        return self._mask

    @property
    def counter(self) -> Counter | None:
        """Where all workers count messages for a rate; None: each process counts for itself."""
        return None

    @property
    def policy(self) -> Policy:
        """What happens to a message whose receiver fails, unless its queue says otherwise."""
        return self._policy

    @property
    def wire_format(self) -> str:
        """``"kombu"`` or ``"raw"``, for queues that do not set it."""
        return self.defaults.wire_format

    def register(
        self,
        queue_name: str,
        fn: Receiver | None = None,
        *args: Any,
        celery_task: Any = None,
        **options: Unpack[QueueKeywords],
    ) -> RegisteredQueue:
        """Register a queue with *fn* as its receiver, or without one for sending only.

        :param celery_task: a Celery task, or its name, that each message is handed to;
            *fn*, if given, then makes the task's arguments from the message.  See
            :class:`~django_sqs_kombu.registration.forward.CeleryForward`.
        :param options: those of
            :class:`~django_sqs_kombu.registration.keywords.QueueKeywords`.
        :raises ConfigurationError: an option is invalid, or the name is registered with another
            receiver.
        """
        if celery_task is not None:
            check_receiver(f"Queue {queue_name!r}: ", "function of the arguments", fn)
            check(f"Queue {queue_name!r}: ", _TASK_RULES, {"celery_task": celery_task})
            fn = CeleryForward(celery_task, fn)
        registered = self.queue_class(queue_name, fn, *args, receivers=self, **options)
        earlier = self.queues.get(queue_name)
        # A module that only sends may have registered the queue before its receiver's did.
        if (
            earlier is not None
            and earlier.receiver is not None
            and origin_of(earlier.receiver) != origin_of(fn)
        ):
            raise ConfigurationError(
                f"Queue {queue_name!r} is registered twice: with {origin_of(earlier.receiver)} and "
                f"with {origin_of(fn)}. Give one of them another queue_name."
            )
        self._check_dead_letters(registered)
        self.queues[queue_name] = registered
        warn_if_late(self, registered, earlier)
        if registered.buries_early and not (earlier is not None and earlier.buries_early):
            self.warn_of_few_receives(registered)
        return registered

    def _check_dead_letters(self, registered: RegisteredQueue) -> None:
        path, name = [registered.name], registered.dead_letter_queue
        while name is not None and name not in path:
            path.append(name)
            name = self.queues[name].dead_letter_queue if name in self.queues else None
        if name == registered.name:
            raise ConfigurationError(
                f"Queue {name!r}: its dead letters would come back, since dead_letter_queue "
                f"leads from {' to '.join([*path, registered.name])}. Let the chain end in a "
                "queue that has none."
            )

    def warn_of_few_receives(self, registered: RegisteredQueue) -> None:
        """Warn, once, of a queue whose messages may be dead-lettered without a failure."""
        most = registered.options.max_receives
        logger.warning(
            "Queue %r has max_receives=%d. SQS may count a receive that no receiver saw, so "
            "below %d a message that never failed may become a dead letter.",
            *(registered.name, most, FEW_RECEIVES),
        )

    def receiver(
        self, queue_name: str | None = None, **options: Unpack[RegisterKeywords]
    ) -> Callable[[Callable[[M], R]], ReceiverProxy[M, R, RegisteredQueue]]:
        """Decorate a function as the receiver of a queue.

        :param queue_name: default: the function's module and name, dots as ``__``.
        :param options: those of :meth:`register`.
        """
        if callable(queue_name):
            raise ConfigurationError(
                f"Write @receiver() with parentheses above {queue_name.__name__!r}"
            )

        def decorate(fn: Callable[[M], R]) -> ReceiverProxy[M, R, RegisteredQueue]:
            return self.register(queue_name or default_name(fn), fn, **options).get_receiver_proxy()

        return decorate

    def get(self, queue_name: str) -> RegisteredQueue:
        """Return the queue registered as *queue_name*.

        :raises UnknownQueue: there is none.
        """
        try:
            return self.queues[queue_name]
        except KeyError:
            raise UnknownQueue(queue_name, tuple(self.queues)) from None

    def select(self, queue_names: Iterable[str] = ()) -> list[RegisteredQueue]:
        """Return the queues with these names, or all."""
        names = list(dict.fromkeys(queue_names))
        return [self.get(name) for name in names] if names else list(self.queues.values())

    def send(
        self,
        queue_name: str,
        message: object = None,
        suffix: str | None = None,
        **options: Unpack[SendKeywords],
    ) -> Ticket:
        """Send a message to a registered queue; see :meth:`RegisteredQueue.send`."""
        return self.get(queue_name).send(message, suffix, **options)

    async def asend(
        self,
        queue_name: str,
        message: object = None,
        suffix: str | None = None,
        **options: Unpack[SendKeywords],
    ) -> Ticket:
        """Send from asynchronous code; see :meth:`RegisteredQueue.asend`."""
        return await self.get(queue_name).asend(message, suffix, **options)

    def send_many(
        self,
        queue_name: str,
        items: Iterable[Any],
        suffix: str | None = None,
        **options: Unpack[SendManyKeywords],
    ) -> int:
        """Send many messages to a registered queue; see :meth:`RegisteredQueue.send_many`."""
        return self.get(queue_name).send_many(items, suffix, **options)

    def new_connection(self) -> kombu.Connection:
        """Return a new connection to SQS, with this registry's options.

        :raises ConfigurationError: it would have another transport than this library's.
        """
        return connection_to(self._origin, self._options)

    @property
    def transport_options(self) -> Mapping[str, Any]:
        """The options that this registry's connections have."""
        if isinstance(self._origin, kombu.Connection):
            return {**self._options, **self._origin.transport_options}
        return self._options

    def check_unsent(
        self, registered: RegisteredQueue, queue: kombu.Queue, outgoing: Outgoing
    ) -> None:
        """Raise what sending this message would raise because of its content; nothing is sent.

        :raises MessageEncodeError: SQS would refuse it, or no receiver would read it.
        """
        check_unsent(
            queue.name,
            outgoing.body,
            outgoing.content_type,
            outgoing.properties(),
            wire_format=registered.wire_format,
            options=self.transport_options,
        )

    def channel(self) -> Any:
        """The channel that this process sends over; shared by all threads."""
        return self._sending.open()[0]

    def batch(self) -> Batch:
        """Return a :class:`~django_sqs_kombu.Batch`: a block whose sends are made at its end."""
        return Batch(self)

    def send_one(self, registered: Registered, queue: kombu.Queue, outgoing: Outgoing) -> None:
        """Send one message, keep it for the end of its batch, or hand it to :attr:`outlet`."""
        batch = open_batch(self)
        if batch is not None and batch.add(registered, queue, outgoing):
            return
        if (outlet := self.outlet) is not None:
            outlet(registered, queue, outgoing)
            return
        sending = Sending(registered, queue.name, 1)
        with around_sending(self.middleware, sending):
            message = outgoing.with_attributes(sending.attributes)
            sending.message_id = self.publish(
                queue, message.body, message.content_type, **message.properties()
            )

    def send_bulk(
        self,
        registered: Registered,
        queue: kombu.Queue,
        items: Iterable[Any],
        encode: Callable[[Any], Outgoing],
        **options: Any,
    ) -> int:
        """Send many messages, keep them, or hand them to :attr:`outlet`; return how many."""
        if (batch := open_batch(self)) is not None:
            return batch.add_many(registered, queue, items, encode)
        if (outlet := self.outlet) is not None:
            messages = [encode(item) for item in items]
            for message in messages:
                outlet(registered, queue, message)
            return len(messages)
        channel = self.channel()
        channel.declare_lazily(queue)
        sending = Sending(registered, queue.name, None)

        def entry(item: Any) -> Any:
            message = encode(item).with_attributes(sending.attributes)
            return channel.entry(
                queue.name, message.body, message.content_type, message.properties()
            )

        with around_sending(self.middleware, sending):
            sent: int = channel.send_many(queue.name, items, entry, **options)
            sending.count = sent
        return sent

    def publish(
        self, queue: kombu.Queue, body: str, content_type: str, **properties: Any
    ) -> str | None:
        """Send *body* to *queue*, which is declared on first use; return SQS's id of it."""
        channel, producer = self._sending.open()
        channel.declare_lazily(queue)
        text = {"content_type": content_type, "content_encoding": "utf-8"}
        sent: str | None = producer.publish(body, routing_key=queue.name, **text, **properties)
        return sent

    def close(self) -> None:
        """Close the connection for sending; the next send opens another."""
        self._sending.close()
