"""The message classes: what a body means, byte-compatible with those of boto 2.

A class has two forms of its value.  ``encode`` and ``decode`` are boto's: the exact
text of an SQS body, used in the ``raw`` wire format.  ``dump`` and ``load`` are what
goes inside a Kombu envelope, where the value needs no encoding and any kombu consumer
can read it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Protocol

import kombu

from ..exceptions import (
    EnvironmentFailure,
    MessageDecodeError,
    MessageEncodeError,
    RestartLater,
    SQSError,
)
from ..logs import get_logger
from ..printable import NAME, cause, line, text_of
from ..transport.holding.ahead import Ask
from ..transport.holding.note import Note
from ..transport.sending.trail import TRAIL, Trail
from ..transport.sqs.shield import ends_before_deadlines

logger = get_logger(__name__)

PLAIN = "text/plain"
JSON = "application/json"
#: Inside an envelope: the text is what the message class's ``encode`` wrote.
ENCODED = "application/text"


class Delivery(Protocol):
    """What message classes and receivers need to know about a message's delivery."""

    @property
    def acknowledged(self) -> bool:
        """Whether the message was settled already."""

    @property
    def is_foreign(self) -> bool:
        """Whether the SQS body is not a Kombu envelope."""

    @property
    def text(self) -> str:
        """The body as text: the SQS body, or the one inside the envelope."""

    @property
    def content_type(self) -> str | None:
        """The content type that the envelope states."""

    @property
    def payload(self) -> Any:
        """The body as Kombu decoded it."""

    @property
    def sqs_message(self) -> Mapping[str, Any]:
        """The message as ReceiveMessage returned it."""

    @property
    def queue(self) -> str:
        """The name of the queue that the message was received from."""

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""

    @property
    def receive_count(self) -> int:
        """How often the message was received, including this time."""

    def ack(self) -> None:
        """Delete the message."""

    @property
    def has_note(self) -> bool:
        """Whether something must be written before the message is settled in SQS."""

    def note(self, note: Note) -> None:
        """Have something written down before SQS is told what becomes of the message."""

    def also_note(self, note: Note) -> None:
        """Write something in addition to the note that is already waiting."""

    def note_start(self, note: Note) -> None:
        """Write something soon, unless the message's end is noted first."""

    def ask_ahead(self, ask: Ask) -> Any:
        """Return what *ask* answers for its body; it also gets those waiting behind it."""

    def change_visibility(self, seconds: int) -> None:
        """Hide the message for *seconds* from now."""


class RawMessage:
    """The plain text, unchanged; the base of all message classes.

    :param queue: the :class:`kombu.Queue` it belongs to.
    :param body: the value, in decoded form.

    A received message also has ``id``, ``receipt_handle``, ``md5``, ``attributes``
    (SQS's system attributes, such as ``ApproximateReceiveCount``) and
    ``message_attributes`` (those that the sender set).  Its ``id`` is its ticket's, or else SQS's,
    and stays the same when this library sends it again.

    A subclass overrides :meth:`encode` and :meth:`decode`; inside a Kombu envelope
    its messages then travel in the same form.  If :meth:`decode` raises an exception that
    ``retry_on`` names, it counts as raised by the receiver; any other means that the body
    cannot be read.
    """

    #: What becomes of it, in terms of what its receiver would have raised: by :meth:`fail`,
    #: :meth:`restart`; None: it said neither.
    verdict: BaseException | None = None
    #: Whether it was received before, and its receiver is not to run a second time.
    received_before = False

    #: Whether a message may stand for several, so that its receiver needs to send them.
    splits: ClassVar[bool] = False

    def __init__(self, queue: kombu.Queue | None = None, body: Any = "") -> None:
        self.queue = queue
        self.id: str | None = None
        self.receipt_handle: str | None = None
        self.md5: str | None = None
        self.attributes: dict[str, str] = {}
        self.message_attributes: dict[str, Any] = {}
        self._delivery: Delivery | None = None
        self.set_body(body)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A class that changes how its value is written must not inherit a compact
        # form that knows nothing of the change.
        own = cls.__dict__
        if ("encode" in own or "decode" in own) and not ("dump" in own or "load" in own):
            cls.dump = RawMessage._dump_encoded  # type: ignore[method-assign]
            cls.load = RawMessage._load_encoded  # type: ignore[method-assign]

    def __len__(self) -> int:
        """The length of the encoded body, in characters."""
        return len(self.get_body_encoded())

    def __bool__(self) -> bool:
        """A message is true, even one with an empty body."""
        return True

    def encode(self, value: Any) -> str:
        """Return the text of the SQS body for *value*."""
        if not isinstance(value, str):
            raise MessageEncodeError(
                f"{type(self).__name__} carries text, not {type(value).__name__}. "
                "Use JSONMessage for structured values, Message for bytes."
            )
        return value

    def decode(self, value: str) -> Any:
        """Return the value of the SQS body *value*."""
        return value

    def begin_sending(self) -> None:
        """Called before each time that the message is encoded to be sent."""

    def end_unsent(self) -> None:
        """Called when it was not sent: SQS certainly does not have it."""

    def set_body(self, body: Any) -> None:
        """Replace the value (decoded form)."""
        self._body = body

    def get_body(self) -> Any:
        """Return the value (decoded form)."""
        return self._body

    def get_body_encoded(self) -> str:
        """Return the text that goes into SQS in the ``raw`` wire format."""
        return self._encoded(self.get_body())

    def dump(self) -> tuple[str, str]:
        """Return the text and content type that go inside a Kombu envelope."""
        return self.get_body_encoded(), PLAIN

    def load(self, delivery: Delivery) -> Any:
        """Return the value of a delivery that came in a Kombu envelope.

        Text stays text; structured content, such as JSON from another kombu
        producer, becomes its JSON text.
        """
        if delivery.content_type == ENCODED:
            return self.decode(delivery.text)
        if delivery.content_type == JSON:
            return _json_text(delivery.text)
        payload = delivery.payload
        if isinstance(payload, str):
            return payload
        if isinstance(payload, bytes):
            return self._from_bytes(payload)
        return json.dumps(payload)

    @classmethod
    def from_value(cls, value: Any) -> RawMessage:
        """Return a message to send that carries *value*."""
        return cls(body=value)

    @classmethod
    def from_delivery(cls, delivery: Delivery, queue: kombu.Queue | None = None) -> RawMessage:
        """Build the message of *delivery*.

        :raises MessageDecodeError: the class cannot read the body.
        :raises EnvironmentFailure: the class cannot read it now, but can later.
        """
        message = cls(queue)
        received = delivery.sqs_message
        message._delivery = delivery
        message.receipt_handle = received.get("ReceiptHandle")
        message.md5 = received.get("MD5OfBody")
        message.attributes = dict(received.get("Attributes") or {})
        message.message_attributes = dict(received.get("MessageAttributes") or {})
        message.id = received.get("MessageId")
        if TRAIL in message.message_attributes:
            # SQS gives another to what is sent again.
            message.id = Trail.of(message.message_attributes).id or message.id
        try:
            if delivery.is_foreign:
                message.set_body(message.decode(delivery.text))
            else:
                message.set_body(message.load(delivery))
        except (SQSError, RestartLater):
            raise
        except MemoryError as exc:
            raise EnvironmentFailure(
                f"{cls.__name__} has not enough memory to decode the body"
            ) from cause(exc)
        except Exception as exc:  # noqa: BLE001 - this body's fault, unless a retry_on names it
            raise MessageDecodeError(
                f"{cls.__name__} cannot decode the body: {type(exc).__name__}: "
                f"{line(text_of(exc), NAME)}",
                kind=type(exc),
            ) from cause(exc)
        return message

    @property
    def cursor(self) -> Any:
        """Where the receiver continues, as set by :class:`Continue`; None: at the beginning.

        Whoever may send to the queue can write any cursor: trust it no more than the body.
        """
        return Trail.of(self.message_attributes).cursor

    def parts(self) -> Sequence[str] | None:
        """Return the bodies of the messages that it stands for, one for each call of the receiver.

        A class whose messages may stand for several sets :attr:`splits`.
        None: it stands for itself.  If there are several, each is sent to the queue before any
        is received, so that each has its own tries and outcome; if there are none, nothing is
        received.
        """
        return None

    def rest(self, numbers: Sequence[int]) -> str | None:
        """Return the body of one message that stands for only some of its parts.

        It is sent if SQS has accepted the others, which must not be sent again.

        :param numbers: which of :meth:`parts`, counted from 0.
        :returns: None if there is no such body.
        """
        return None

    def delete(self) -> None:
        """Delete the message from its queue; a second call does nothing."""
        if self._delivery is not None and not self._delivery.acknowledged:
            _acknowledge(self._delivery)

    def fail(self, exc: BaseException) -> None:
        """Settle this message as if its receiver had raised *exc* for it alone.

        For a receiver of batches: the other messages are done when it returns.  The last call for
        a message counts, even if the receiver then raises something for all of them.

        :raises TypeError: *exc* is not an exception.
        """
        if not isinstance(exc, BaseException):
            raise TypeError(f"fail() takes the exception that the message failed with, not {exc!r}")
        self.verdict = exc

    def restart(self, delay: float | timedelta | None = None) -> None:
        """Retry this message alone later, as :class:`RestartLater` does for all.

        :param delay: seconds until it is visible again, or a timedelta; None: backoff.
        """
        self.verdict = RestartLater(delay)

    def note(self, note: Note) -> None:
        """Write something before the message is settled in SQS.

        It is written together with other messages' notes, when the message is settled, and the
        message is held until then.  If the message was not received, it is written at once.
        """
        if self._delivery is None:
            note.write_now()
        else:
            self._delivery.note(note)

    def note_start(self, note: Note) -> None:
        """Write something soon, unless :meth:`note` is called or the message is settled first.

        It tells others that a receiver is running, so it is written, together with other notes,
        once that takes longer than a moment.  If the message was not received, it is written at
        once.
        """
        if self._delivery is None:
            note.write_now()
        else:
            self._delivery.note_start(note)

    def ask_ahead(self, ask: Ask) -> Any:
        """Return what *ask* answers for its body; it also gets those of messages waiting behind it.

        This way a database is asked once for many messages.  An answer may be a moment old.

        :param ask: gets bodies as SQS has them; returns an answer for each, in order.
        """
        if self._delivery is None:
            return ask([self.get_body_encoded()])[0]
        return self._delivery.ask_ahead(ask)

    def change_visibility(self, seconds: int) -> None:
        """Hide the message for *seconds* (0 to 43,200) from now; its lease is not renewed then."""
        if self._delivery is not None:
            self._delivery.change_visibility(seconds)

    def _encoded(self, value: Any) -> str:
        return self._written(self.encode, value)

    def _written(self, write: Callable[[Any], str], value: Any) -> str:
        try:
            return self._checked(write(value))
        except MessageEncodeError:
            raise
        except (TypeError, ValueError, AttributeError, RecursionError) as exc:
            raise self._unwritable(exc) from cause(exc)

    def _checked(self, text: str) -> str:
        # A lone surrogate is text to Python, and to nobody else.
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise self._unwritable(exc) from cause(exc)
        return text

    def _unwritable(self, exc: Exception) -> MessageEncodeError:
        return MessageEncodeError(f"{type(self).__name__} cannot encode its body: {exc}")

    def _from_bytes(self, content: bytes) -> Any:
        return content.decode()

    def _dump_encoded(self) -> tuple[str, str]:
        return self.get_body_encoded(), ENCODED

    def _load_encoded(self, delivery: Delivery) -> Any:
        return self.decode(delivery.text)


@ends_before_deadlines
def _acknowledge(delivery: Delivery) -> None:
    # Struck in there by its receiver's timeout, a message could be decided and in no list of what
    # SQS is to be told: it would be held, and renewed, for as long as SQS allows.
    delivery.ack()


def _json_text(text: str) -> str:
    """JSON content as text: a string is itself, anything else its JSON."""
    if text.lstrip().startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text
