"""RegisteredQueue: one queue name with its receiver, message class and options."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import kombu

from ..exceptions import ConfigurationError, UnknownSuffixWarning, WrongMessageClass
from ..messages.base import PLAIN, Delivery, RawMessage
from ..messages.boto import Message
from ..messages.typed import typed
from ..names import join_name, validate_name
from ..working.attempt import attempt, receive
from ..working.consumer import ReceiverConsumer
from ..working.coroutines import run_in_thread_loop
from .declaration import DEFAULT_MAX_RECEIVES, QueueDeclaration
from .options import check_options
from .outgoing import Outgoing, each
from .proxy import ReceiverProxy

if TYPE_CHECKING:
    from .receivers import Receivers

Receiver = Callable[[Any], Any]

# Under its own name it would be hidden inside the class below.
_Proxy = ReceiverProxy


class RegisteredQueue:
    """A queue that messages are sent to and, with a receiver, received from.

    :param name: the queue's name, without prefix and suffix.
    :param receiver: called with each message; None: the queue is for sending only.
    :param visibility_timeout: seconds that a received message stays hidden from
        others, 0 to 43,200; None: the registry's default.
    :param message_class: a subclass of :class:`RawMessage`; default :class:`Message`.
    :param model: in place of *message_class*: a pydantic model or a dataclass, whose
        instances the messages carry as JSON, validated as they are received.
    :param timeout: seconds a receiver may run, then TimedOut is raised in it.
    :param delete_on_start: delete a message before its receiver runs, not after.
    :param close_database: close all database connections after each message (Django).
    :param suffixes: the known queue name suffixes; another one makes a warning.
    :param wire_format: ``"kombu"`` or ``"raw"``; None: the registry's default.
    :param dead_letter_queue: the name, without prefix, of the queue where SQS moves a
        message that was received *max_receives* times and not deleted.  It is created,
        and attached when this queue is created.
    :param max_receives: 1 to 1,000; default 5.
    :param tags: cost allocation tags, for the queue's creation.
    :param kms_key: the KMS key that encrypts the queue, for its creation.
    :param priority: where one process receives from several queues, the messages of those
        with a higher priority are received first.
    :param process_group: queues of one group are served by one process, so that their
        priorities count; default: each queue has a process of its own.
    :param receivers: the registry that it belongs to.
    :raises ConfigurationError: for options that cannot work.
    """

    ReceiverProxy: ClassVar[type[_Proxy]] = _Proxy

    def __init__(
        self,
        name: str,
        receiver: Receiver | None = None,
        visibility_timeout: int | None = None,
        message_class: type[RawMessage] | None = None,
        timeout: float | None = None,
        delete_on_start: bool = False,
        close_database: bool = False,
        suffixes: Iterable[str] = (),
        wire_format: str | None = None,
        *,
        dead_letter_queue: str | None = None,
        max_receives: int | None = None,
        tags: Mapping[str, str] | None = None,
        kms_key: str | None = None,
        priority: int = 0,
        process_group: str | None = None,
        model: Any = None,
        receivers: Receivers,
    ) -> None:
        self.name = name
        self.receiver = receiver
        if model is not None and message_class is not None:
            raise ConfigurationError(f"Queue {name!r}: give model or message_class, not both")
        self.message_class = message_class or (typed(model) if model is not None else Message)
        self.model = model
        self.timeout = timeout
        self.delete_on_start = delete_on_start
        self.close_database = close_database
        self.suffixes = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
        self.dead_letter_queue = dead_letter_queue
        self.max_receives = max_receives
        self.tags = tags
        self.kms_key = kms_key
        self.priority = priority
        self.process_group = process_group or name
        self.receivers = receivers
        self.own_visibility_timeout = visibility_timeout
        self.own_wire_format = wire_format
        check_options(self)

    @property
    def visibility_timeout(self) -> int:
        """Seconds that a received message stays hidden from others."""
        if self.own_visibility_timeout is None:
            return self.receivers.visibility_timeout
        return self.own_visibility_timeout

    @property
    def wire_format(self) -> str:
        """The format of the messages sent: ``"kombu"`` or ``"raw"``."""
        return self.own_wire_format or self.receivers.wire_format

    def full_name(self, suffix: str | None = None) -> str:
        """The queue's name in SQS: prefix, name and suffix joined with ``__``.

        An unknown suffix makes an :class:`UnknownSuffixWarning`.
        """
        if suffix and suffix not in self.suffixes:
            warnings.warn(
                f"Unknown suffix {suffix!r} for queue {self.name!r} (known: "
                f"{', '.join(self.suffixes) or 'none'})",
                UnknownSuffixWarning,
                stacklevel=2,
            )
        return validate_name(join_name(self.receivers.prefix, self.name, suffix))

    @property
    def full_dead_letter_name(self) -> str | None:
        """The name in SQS of the dead-letter queue that was registered, if any."""
        if not self.dead_letter_queue:
            return None
        return validate_name(join_name(self.receivers.prefix, self.dead_letter_queue))

    def get_queue(self, suffix: str | None = None) -> kombu.Queue:
        """The queue as a :class:`kombu.Queue`, with its declaration."""
        return QueueDeclaration(
            self.full_name(suffix),
            self.visibility_timeout,
            self.wire_format,
            self.full_dead_letter_name,
            self.max_receives or DEFAULT_MAX_RECEIVES,
            self.tags,
            self.kms_key,
        ).to_kombu()

    def get_receiver_proxy(self) -> _Proxy:
        """A callable that sends to this queue."""
        return self.ReceiverProxy(self)

    def send(
        self, message: RawMessage | None = None, suffix: str | None = None, **options: Any
    ) -> None:
        """Send a message; returns when SQS has accepted it.

        :param message: an instance of the queue's message class; None: one is built
            from the other options, such as ``body="..."``.
        :param suffix: the queue name suffix to use.
        :param delay: seconds until it can be received.  Above 900, SQS's longest
            DelaySeconds, receivers of this library send it on until it is due.
        :param group_id: the message group of a FIFO queue.
        :param deduplication_id: the deduplication id of a FIFO queue.
        :param attributes: SQS message attributes, text by name, at most 10.
        :raises WrongMessageClass: *message* is of another class.
        :raises MessageEncodeError: its value cannot be written.
        :raises RequestFailed: SQS did not accept it.
        """
        self.prepare(message, suffix, **options)()

    def prepare(
        self, message: RawMessage | None = None, suffix: str | None = None, **options: Any
    ) -> Callable[[], None]:
        """Everything about :meth:`send` that needs no SQS; what is returned sends."""
        outgoing = self.outgoing(message, **options)
        return partial(self.receivers.send_one, self, self.get_queue(suffix), outgoing)

    def outgoing(
        self,
        message: RawMessage | None = None,
        *,
        delay: float | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        attributes: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Outgoing:
        """A message as it is to be sent; the options are those of :meth:`send`."""
        body, content_type = self.encode(message, **kwargs)
        return Outgoing(body, content_type, delay, group_id, deduplication_id, attributes)

    def encode(self, message: RawMessage | None = None, **kwargs: Any) -> tuple[str, str]:
        """The text and the content type of *message*, or of one made from *kwargs*.

        :raises WrongMessageClass: *message* is of another class.
        :raises MessageEncodeError: its value cannot be written.
        """
        if self.model is not None and isinstance(message, self.model):
            message = self.message_class.from_value(message)
        if message is None:
            message = self.message_class(**kwargs)
        elif not isinstance(message, self.message_class):
            raise WrongMessageClass(self.name, message, self.message_class)
        elif kwargs:
            raise ConfigurationError(
                f"Queue {self.name!r}: give a message or the arguments for one "
                f"({', '.join(kwargs)}), not both"
            )
        return self._outgoing(message)

    async def asend(
        self, message: RawMessage | None = None, suffix: str | None = None, **kwargs: Any
    ) -> None:
        """Send from asynchronous code, in a thread, so that the event loop goes on.

        Sends that are awaited together share their requests.
        """
        await asyncio.to_thread(self.prepare(message, suffix, **kwargs))

    def send_many(
        self,
        items: Iterable[Any],
        suffix: str | None = None,
        *,
        delay: float | Sequence[float | None] | None = None,
        group_id: str | Callable[[Any], str] | Sequence[str | None] | None = None,
        parallel: int = 4,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Send many messages, 10 in a request and a few requests at once.

        :param items: any iterable; it is read as it is sent, so it may be endless in
            practice.  Each item is a message, or the value for one.
        :param suffix: the queue name suffix to use.
        :param delay: seconds until they can be received; or a sequence, one for each item.
        :param group_id: the message group of a FIFO queue, a function that returns an
            item's, or a sequence.  A FIFO queue's messages are sent in order.
        :param parallel: how many requests may be under way at once.
        :param progress: called with the number of messages accepted so far.
        :returns: how many were sent.
        :raises SendManyFailed: some were not accepted; it lists them, and why.
        """
        return self.receivers.send_bulk(
            self,
            self.get_queue(suffix),
            items,
            self.encoder(delay, group_id),
            parallel=parallel,
            progress=progress,
        )

    def encoder(self, delay: Any = None, group_id: Any = None) -> Callable[[Any], Outgoing]:
        """What makes of each item of :meth:`send_many`, in turn, what is to be sent."""
        delays, groups = each(delay), each(group_id)

        def encode(item: Any) -> Outgoing:
            seconds, group = next(delays), next(groups)
            message = (
                item
                if isinstance(item, self.message_class)
                else self.message_class.from_value(item)
            )
            return Outgoing(
                *self._outgoing(message), seconds, group(item) if callable(group) else group
            )

        return encode

    def _outgoing(self, message: RawMessage) -> tuple[str, str]:
        if self.wire_format == "raw":
            return message.get_body_encoded(), PLAIN
        return message.dump()

    def around_message(self) -> AbstractContextManager[None]:
        """A context in which each message is decoded, received and settled."""
        return nullcontext()

    def attempt(
        self, delivery: Delivery, queue: kombu.Queue
    ) -> tuple[RawMessage | None, BaseException | None]:
        """Decode *delivery* and run the receiver on it.

        :returns: the message, if it could be decoded, and what was raised, if anything.
        """
        return attempt(self, delivery, queue)

    def receive(self, message: RawMessage) -> Any:
        """Run the receiver on *message*, within ``timeout``; return what it returns.

        :raises NoReceiver: the queue was registered for sending only.
        """
        return receive(self, message)

    def run_async(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """Await what a receiver returned, on this thread's event loop, within *timeout*."""
        return run_in_thread_loop(awaitable, timeout)

    def receive_single(self, suffix: str | None = None) -> tuple[RawMessage, Any] | None:
        """Receive one message, for debugging.

        Returns the message and what the receiver returned, or None where no message
        came within the poll period.  What the receiver raises is passed on, and the
        message is visible again at once.
        """
        queue = self.get_queue(suffix)
        with self.receivers.new_connection() as connection:
            channel = connection.default_channel
            channel.declare_lazily(queue)
            delivery = channel.basic_get(queue.name)
            if delivery is None:
                return None
            if delivery.errors:
                raise delivery.errors[0][1]
            with self.around_message():
                message = self.message_class.from_delivery(delivery, queue)
                if self.delete_on_start:
                    delivery.delete_now()
                result = self.receive(message)
                message.delete()
            return message, result

    def receive_loop(self, message_limit: int | None = None, suffix: str | None = None) -> None:
        """Receive until *message_limit* messages were received, or for ever."""
        ReceiverConsumer(self.receivers, [self], suffix=suffix, message_limit=message_limit).run()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
