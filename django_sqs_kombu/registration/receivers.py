"""Receivers: the registry of queues, and the connection that it sends over."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import kombu

from ..exceptions import ConfigurationError, UnknownQueue
from ..messages.base import RawMessage
from ..names import default_name
from ..transport.sqs.declaration import WIRE_FORMATS
from ..working.instruments import Instrument, Sending, around
from .forward import CeleryForward
from .options import validate_visibility_timeout
from .outgoing import Outgoing
from .proxy import ReceiverProxy
from .queue import Receiver, RegisteredQueue

Outlet = Callable[[RegisteredQueue, kombu.Queue, Outgoing], None]

_all: weakref.WeakSet[Receivers] = weakref.WeakSet()


class Receivers:
    """Queues with their receivers, registered by name.

    :param connection: a broker URL such as ``"sqs-batch://"`` (credentials from boto3's
        chain) or ``"sqs-batch://KEY:SECRET@"``, or a :class:`kombu.Connection` that uses
        this library's transport.
    :param prefix: joined before each queue's name with ``__``.
    :param visibility_timeout: seconds, for queues that name none.
    :param poll_period: seconds that one poll waits for messages, 0 to 20; polls of a
        queue that stays empty grow to 20.
    :param wire_format: ``"kombu"`` or ``"raw"``, for queues that name none.
    :param transport_options: options of the transport, for a URL; see
        :class:`django_sqs_kombu.transport.Channel`.
    """

    queue_class: type[RegisteredQueue] = RegisteredQueue

    def __init__(
        self,
        connection: str | kombu.Connection = "sqs-batch://",
        *,
        prefix: str = "",
        visibility_timeout: int = 60,
        poll_period: int = 10,
        wire_format: str = "kombu",
        transport_options: dict[str, Any] | None = None,
    ) -> None:
        validate_visibility_timeout(visibility_timeout, "visibility_timeout")
        if wire_format not in WIRE_FORMATS:
            raise ConfigurationError(
                f"wire_format must be one of {', '.join(WIRE_FORMATS)}, not {wire_format!r}"
            )
        if not 0 <= poll_period <= 20:
            raise ConfigurationError(
                f"poll_period must be 0 to 20 seconds (the limit of SQS), not {poll_period!r}"
            )
        self._prefix = prefix
        self._visibility_timeout = visibility_timeout
        self._wire_format = wire_format
        self._origin = connection
        self._options = {"wait_time_seconds": poll_period, **(transport_options or {})}
        self._setup()

    def _setup(self) -> None:
        _all.add(self)
        #: The registered queues by name.
        self.queues: dict[str, RegisteredQueue] = {}
        #: What is there around all that is sent and received.
        self.instruments: list[Instrument] = []
        #: Takes what is sent in place of SQS, in tests.
        self.outlet: Outlet | None = None
        self._sending = threading.Lock()
        self._channel: Any = None
        self._channel_pid = 0

    @staticmethod
    def all() -> list[Receivers]:
        """Every registry of this process."""
        return list(_all)

    @property
    def prefix(self) -> str:
        """Joined before each queue's name with ``__``; may be empty."""
        return self._prefix

    @property
    def visibility_timeout(self) -> int:
        """Seconds, for queues that name none."""
        return self._visibility_timeout

    @property
    def wire_format(self) -> str:
        """``"kombu"`` or ``"raw"``, for queues that name none."""
        return self._wire_format

    def register(
        self,
        queue_name: str,
        fn: Receiver | None = None,
        *args: Any,
        celery_task: Any = None,
        **options: Any,
    ) -> RegisteredQueue:
        """Register a queue, with *fn* as its receiver or, without, for sending only.

        :param celery_task: a Celery task, or its name, that each message is handed to;
            *fn*, where there is one, then makes the task's arguments of the message.  See
            :class:`~django_sqs_kombu.registration.forward.CeleryForward`.
        :param options: those of :class:`RegisteredQueue`.
        :raises ConfigurationError: for options that cannot work, or a name that is
            registered with another receiver.
        """
        if celery_task is not None:
            fn = CeleryForward(celery_task, fn)
        registered = self.queue_class(queue_name, fn, *args, receivers=self, **options)
        earlier = self.queues.get(queue_name)
        if earlier is not None and _origin(earlier.receiver) != _origin(fn):
            raise ConfigurationError(
                f"Queue {queue_name!r} is registered twice: with {_origin(earlier.receiver)} and "
                f"with {_origin(fn)}. Give one of them another queue_name."
            )
        self.queues[queue_name] = registered
        return registered

    def receiver(
        self, queue_name: str | None = None, **options: Any
    ) -> Callable[[Receiver], ReceiverProxy]:
        """Decorate a function as the receiver of a queue.

        :param queue_name: default: the function's module and name, dots as ``__``.
        :param options: those of :meth:`register`.
        """
        if callable(queue_name):
            raise ConfigurationError(
                f"Write @receiver() with parentheses above {queue_name.__name__!r}"
            )

        def decorate(fn: Receiver) -> ReceiverProxy:
            return self.register(queue_name or default_name(fn), fn, **options).get_receiver_proxy()

        return decorate

    def get(self, queue_name: str) -> RegisteredQueue:
        """The queue registered as *queue_name*.

        :raises UnknownQueue: there is none.
        """
        try:
            return self.queues[queue_name]
        except KeyError:
            raise UnknownQueue(queue_name, tuple(self.queues)) from None

    def select(self, queue_names: Iterable[str] = ()) -> list[RegisteredQueue]:
        """The queues of these names, or all."""
        names = list(dict.fromkeys(queue_names))
        return [self.get(name) for name in names] if names else list(self.queues.values())

    def send(
        self,
        queue_name: str,
        message: RawMessage | None = None,
        suffix: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a message to a registered queue; see :meth:`RegisteredQueue.send`."""
        self.get(queue_name).send(message, suffix, **kwargs)

    async def asend(
        self,
        queue_name: str,
        message: RawMessage | None = None,
        suffix: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Send from asynchronous code; see :meth:`RegisteredQueue.asend`."""
        await self.get(queue_name).asend(message, suffix, **kwargs)

    def send_many(
        self, queue_name: str, items: Iterable[Any], suffix: str | None = None, **options: Any
    ) -> int:
        """Send many messages to a registered queue; see :meth:`RegisteredQueue.send_many`."""
        return self.get(queue_name).send_many(items, suffix, **options)

    def new_connection(self) -> kombu.Connection:
        """A new connection to SQS, with this registry's options."""
        if isinstance(self._origin, kombu.Connection):
            connection = self._origin.clone()
            connection.transport_options = {**self._options, **connection.transport_options}
        else:
            connection = kombu.Connection(self._origin, transport_options=self._options)
        return connection

    def channel(self) -> Any:
        """The channel that this process sends over; shared by all threads."""
        with self._sending:
            # A forked child must not write to its parent's sockets.
            if self._channel is None or self._channel_pid != os.getpid():
                channel = self.new_connection().default_channel
                if not hasattr(channel, "declare_lazily"):
                    raise ConfigurationError(
                        "Receivers needs a connection with this library's transport: "
                        'Connection(..., transport="django_sqs_kombu.transport:Transport")'
                    )
                self._channel, self._channel_pid = channel, os.getpid()
            return self._channel

    def send_one(self, registered: RegisteredQueue, queue: kombu.Queue, outgoing: Outgoing) -> None:
        """Send one message, or hand it to :attr:`outlet`."""
        if (outlet := self.outlet) is not None:
            outlet(registered, queue, outgoing)
            return
        sending = Sending(registered, queue.name, 1)
        with around(i.sending(sending) for i in self.instruments):
            message = outgoing.with_attributes(sending.attributes)
            self.publish(queue, message.body, message.content_type, **message.properties())

    def send_bulk(
        self,
        registered: RegisteredQueue,
        queue: kombu.Queue,
        items: Iterable[Any],
        encode: Callable[[Any], Outgoing],
        **options: Any,
    ) -> int:
        """Send many messages, or hand them to :attr:`outlet`; return how many."""
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

        with around(i.sending(sending) for i in self.instruments):
            sent: int = channel.send_many(queue.name, items, entry, **options)
            sending.count = sent
        return sent

    def publish(self, queue: kombu.Queue, body: str, content_type: str, **properties: Any) -> None:
        """Send *body* to *queue*, which is declared when it is first used."""
        channel = self.channel()
        channel.declare_lazily(queue)
        kombu.Producer(channel).publish(
            body,
            routing_key=queue.name,
            content_type=content_type,
            content_encoding="utf-8",
            **properties,
        )

    def close(self) -> None:
        """Close the connection for sending; the next send opens another."""
        with self._sending:
            channel, self._channel = self._channel, None
        if channel is not None and self._channel_pid == os.getpid():
            channel.connection.client.close()


def _origin(fn: Receiver | None) -> str:
    # By name, so that a module that is loaded anew may register its receivers again.
    if fn is None:
        return "no receiver"
    return f"{getattr(fn, '__module__', '?')}.{getattr(fn, '__qualname__', repr(fn))}"
