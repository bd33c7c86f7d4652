"""RegisteredQueue: one queue name with its receiver, message class and options."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import kombu

from .consumer import ReceiverConsumer
from .deadline import deadline
from .exceptions import (
    ConfigurationError,
    NoReceiver,
    UnknownSuffixWarning,
    WrongMessageClass,
)
from .messages import PLAIN, Message, RawMessage
from .queues import (
    DEFAULT_MAX_RECEIVES,
    FIFO,
    LARGEST_MAX_RECEIVES,
    WIRE_FORMATS,
    QueueDeclaration,
    join_name,
    validate_name,
    validate_visibility_timeout,
)

if TYPE_CHECKING:
    from .registry import Receivers
    from .transport.delivery import Delivery

Receiver = Callable[[Any], Any]

#: The message attribute that counts the restarts of a message that was sent anew.
RESTARTS = "django_sqs.restarts"


class ReceiverProxy:
    """What a decorated receiver becomes: calling it sends a message to its queue.

    :ivar direct: the decorated function itself.
    :ivar registered_queue: its :class:`RegisteredQueue`.
    """

    def __init__(self, registered_queue: RegisteredQueue) -> None:
        self.registered_queue = registered_queue
        self.direct = registered_queue.receiver
        functools.update_wrapper(self, self.direct or registered_queue.send)

    def __call__(
        self, message: RawMessage | None = None, suffix: str | None = None, **kwargs: Any
    ) -> None:
        """Send *message*, or one built from the keyword arguments; see RegisteredQueue.send."""
        self.registered_queue.send(message, suffix, **kwargs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of queue {self.registered_queue.name!r}>"


# Under its own name it would be hidden inside the class below.
_Proxy = ReceiverProxy


class RegisteredQueue:
    """A queue that messages are sent to and, with a receiver, received from.

    :param name: the queue's name, without prefix and suffix.
    :param receiver: called with each message; None: the queue is for sending only.
    :param visibility_timeout: seconds that a received message stays hidden from
        others, 0 to 43,200; None: the registry's default.
    :param message_class: a subclass of :class:`RawMessage`; default :class:`Message`.
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
        receivers: Receivers,
    ) -> None:
        self.name = name
        self.receiver = receiver
        self.message_class = message_class or Message
        self.timeout = timeout
        self.delete_on_start = delete_on_start
        self.close_database = close_database
        self.suffixes = (suffixes,) if isinstance(suffixes, str) else tuple(suffixes)
        self.dead_letter_queue = dead_letter_queue
        self.max_receives = max_receives
        self.tags = tags
        self.kms_key = kms_key
        self.receivers = receivers
        self._visibility_timeout = visibility_timeout
        self._wire_format = wire_format
        self._validate()

    @property
    def visibility_timeout(self) -> int:
        """Seconds that a received message stays hidden from others."""
        if self._visibility_timeout is None:
            return self.receivers.visibility_timeout
        return self._visibility_timeout

    @property
    def wire_format(self) -> str:
        """The format of the messages sent: ``"kombu"`` or ``"raw"``."""
        return self._wire_format or self.receivers.wire_format

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

    def get_queue(self, suffix: str | None = None) -> kombu.Queue:
        """The queue as a :class:`kombu.Queue`, with its declaration."""
        dead_letter_queue = self.dead_letter_queue
        if dead_letter_queue:
            dead_letter_queue = validate_name(join_name(self.receivers.prefix, dead_letter_queue))
        return QueueDeclaration(
            self.full_name(suffix),
            self.visibility_timeout,
            self.wire_format,
            dead_letter_queue,
            self.max_receives or DEFAULT_MAX_RECEIVES,
            self.tags,
            self.kms_key,
        ).to_kombu()

    def get_receiver_proxy(self) -> _Proxy:
        """A callable that sends to this queue."""
        return self.ReceiverProxy(self)

    def send(
        self,
        message: RawMessage | None = None,
        suffix: str | None = None,
        *,
        delay: float | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Send a message; returns when SQS has accepted it.

        :param message: an instance of the queue's message class; None: one is built
            from *kwargs*, such as ``body="..."``.
        :param suffix: the queue name suffix to use.
        :param delay: seconds until it can be received, 0 to 900 (SQS's DelaySeconds).
        :param group_id: the message group of a FIFO queue.
        :param deduplication_id: the deduplication id of a FIFO queue.
        :raises WrongMessageClass: *message* is of another class.
        :raises MessageEncodeError: its value cannot be written.
        :raises RequestFailed: SQS did not accept it.
        """
        if message is None:
            message = self.message_class(**kwargs)
        elif not isinstance(message, self.message_class):
            raise WrongMessageClass(self.name, message, self.message_class)
        elif kwargs:
            raise ConfigurationError(
                f"Queue {self.name!r}: give a message or the arguments for one "
                f"({', '.join(kwargs)}), not both"
            )
        body, content_type = self._outgoing(message)
        self.receivers.publish(
            self.get_queue(suffix),
            body,
            content_type,
            **_properties(delay, group_id, deduplication_id),
        )

    def send_many(
        self,
        items: Iterable[Any],
        suffix: str | None = None,
        *,
        delay: float | None = None,
        group_id: str | Callable[[Any], str] | None = None,
        parallel: int = 4,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Send many messages, 10 in a request and a few requests at once.

        :param items: any iterable; it is read as it is sent, so it may be endless in
            practice.  Each item is a message, or the value for one.
        :param suffix: the queue name suffix to use.
        :param delay: seconds until they can be received, 0 to 900.
        :param group_id: the message group of a FIFO queue, or a function that returns an
            item's.  A FIFO queue's messages are sent in order.
        :param parallel: how many requests may be under way at once.
        :param progress: called with the number of messages accepted so far.
        :returns: how many were sent.
        :raises SendManyFailed: some were not accepted; it lists them, and why.
        """
        queue = self.get_queue(suffix)
        channel = self.receivers.channel()
        channel.declare_lazily(queue)

        def encode(item: Any) -> dict[str, Any]:
            group = group_id(item) if callable(group_id) else group_id
            message = (
                item
                if isinstance(item, self.message_class)
                else self.message_class.from_value(item)
            )
            entry: dict[str, Any] = channel.entry(
                queue.name, *self._outgoing(message), _properties(delay, group, None)
            )
            return entry

        sent: int = channel.send_many(
            queue.name, items, encode, parallel=parallel, progress=progress
        )
        return sent

    def _outgoing(self, message: RawMessage) -> tuple[str, str]:
        if self.wire_format == "raw":
            return message.get_body_encoded(), PLAIN
        return message.dump()

    def resend(self, delivery: Delivery, delay: float | None) -> None:
        """Send a message anew that was deleted on receipt and is to be restarted.

        :param delay: seconds, cut to SQS's 900; None: backoff from the restarts so far.
        """
        received = delivery.sqs_message
        attributes = dict(received.get("MessageAttributes") or {})
        restarts = int(attributes.get(RESTARTS, {}).get("StringValue", 0)) + 1
        attributes[RESTARTS] = {"DataType": "Number", "StringValue": str(restarts)}
        seconds = delivery.channel.backoff.delay(restarts) if delay is None else delay
        request: dict[str, Any] = {
            "MessageBody": delivery.sqs_body,
            "MessageAttributes": attributes,
        }
        if delivery.queue.endswith(".fifo"):
            system = received.get("Attributes") or {}
            request["MessageGroupId"] = system.get("MessageGroupId", "default")
            request["MessageDeduplicationId"] = f"{delivery.message_id}-{restarts}"
        else:
            request["DelaySeconds"] = min(int(seconds), 900)
        delivery.channel.requests.call(
            "SendMessage", delivery.queue, **delivery.channel.payloads.offload(request)
        )

    def around_message(self) -> AbstractContextManager[None]:
        """A context in which each message is decoded, received and settled."""
        return nullcontext()

    def receive(self, message: RawMessage) -> Any:
        """Run the receiver on *message*, within ``timeout``; return what it returns.

        :raises NoReceiver: the queue was registered for sending only.
        """
        if self.receiver is None:
            raise NoReceiver(self.name)
        with deadline(self.timeout):
            return self.receiver(message)

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

    def _validate(self) -> None:
        where = f"Queue {self.name!r}:"
        if self.receiver is not None and not callable(self.receiver):
            raise ConfigurationError(f"{where} the receiver {self.receiver!r} is not callable")
        cls = self.message_class
        if not (isinstance(cls, type) and issubclass(cls, RawMessage)):
            raise ConfigurationError(
                f"{where} message_class {cls!r} is not a subclass of "
                f"{RawMessage.__module__}.{RawMessage.__qualname__}"
            )
        if self.timeout is not None:
            if self.receiver is None:
                raise ConfigurationError(f"{where} timeout is meaningful only with a receiver")
            if not isinstance(self.timeout, int | float) or not self.timeout > 0:
                raise ConfigurationError(
                    f"{where} timeout must be a number of seconds above 0, not {self.timeout!r}"
                )
        if self._visibility_timeout is not None:
            validate_visibility_timeout(self._visibility_timeout, f"{where} visibility_timeout")
        if self._wire_format is not None and self._wire_format not in WIRE_FORMATS:
            raise ConfigurationError(
                f"{where} wire_format must be one of {', '.join(WIRE_FORMATS)}, "
                f"not {self._wire_format!r}"
            )
        for suffix in (None, *self.suffixes):
            validate_name(join_name("", self.name, suffix))
        self._validate_dead_letters(where)

    def _validate_dead_letters(self, where: str) -> None:
        count = self.max_receives
        if count is not None:
            if self.dead_letter_queue is None:
                raise ConfigurationError(
                    f"{where} max_receives is meaningful only with a dead_letter_queue"
                )
            if not isinstance(count, int) or not 1 <= count <= LARGEST_MAX_RECEIVES:
                raise ConfigurationError(
                    f"{where} max_receives must be a whole number from 1 to "
                    f"{LARGEST_MAX_RECEIVES:,}, not {count!r}"
                )
        if self.dead_letter_queue is not None:
            validate_name(self.dead_letter_queue)
            if self.dead_letter_queue.endswith(FIFO) != self.name.endswith(FIFO):
                raise ConfigurationError(
                    f"{where} the dead-letter queue of a FIFO queue must be FIFO, and only of one; "
                    f"{self.dead_letter_queue!r} does not fit"
                )


def _properties(
    delay: float | None, group_id: str | None, deduplication_id: str | None
) -> dict[str, Any]:
    properties = {
        "delay_seconds": delay,
        "MessageGroupId": group_id,
        "MessageDeduplicationId": deduplication_id,
    }
    return {key: value for key, value in properties.items() if value is not None}
