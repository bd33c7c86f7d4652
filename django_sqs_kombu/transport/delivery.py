"""Delivery: a received message as Kombu hands it to consumers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol

from kombu.message import ACK_STATES
from kombu.transport.virtual import Message

from ..exceptions import EnvironmentFailure, SQSError
from ..names import FIFO
from .body.envelope import FOREIGN
from .body.payloads import LargePayloads
from .holding.ahead import Ask, ask_ahead
from .holding.held import Held, State
from .holding.note import Note
from .holding.table import HeldMessages
from .sending.splitting import send_parts
from .settling.backoff import Backoff
from .sqs.received import Message as Received
from .sqs.requests import Requests

#: The content type of plain text.
TEXT = "text/plain"


class Settling(Protocol):
    """What a delivery needs of its channel to be settled; any thread may call it."""

    requests: Requests
    held: HeldMessages
    payloads: LargePayloads
    backoff: Backoff

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Delete the message of a tag soon."""

    def deliver(self, held: Held) -> None:
        """Hand a message that was taken to its consumer."""

    def flush(self, timeout: float) -> bool:
        """Send what is settled; return whether SQS confirmed it within *timeout* seconds."""

    def requeue(self, delivery: Delivery, delay: float | None) -> None:
        """Leave the message in its queue, visible again after *delay* seconds."""

    def release(self, deliveries: list[Delivery], *, at_end: bool = False) -> None:
        """Make the messages visible to others at once."""

    def delete_now(self, delivery: Delivery) -> None:
        """Delete the message; return when SQS has confirmed it."""

    def abandon(self, delivery: Delivery) -> None:
        """Forget the message without a request."""

    def note_start(self, delivery: Delivery, note: Note) -> None:
        """Have something written down soon, unless its end is noted before."""

    def change_visibility(self, delivery: Delivery, seconds: int) -> None:
        """Hide the message for *seconds* from now, and renew it no more."""

    def leave_undecoded(self, delivery: Delivery) -> None:
        """Leave a message that nobody got, since it could not be decoded, for a later receive."""


class Delivery(Message):  # type: ignore[misc]
    """A :class:`kombu.Message` that can be requeued with a delay.

    ``ack``, ``reject`` and ``requeue`` may be called from any thread.  ``delivery_info`` holds
    what Kombu's own transport puts there, only JSON.

    :ivar held: the message as its channel holds it.
    """

    channel: Settling
    held: Held
    body: Any
    #: Why it could not be decoded for now; then an ack leaves it in its queue.
    unread: EnvironmentFailure | None = None
    #: Why it could not be decoded, for now or ever.
    undecoded: Exception | None = None
    #: The body as text, where it came as text that can be written as bytes.
    _text: str | None = None

    def __init__(
        self, payload: dict[str, Any], channel: Any = None, accept: Any = None, **kwargs: Any
    ) -> None:
        # What the constructors of its two base classes do, at a quarter of the time: a payload
        # of this transport has all that it may have.
        body, properties = payload["body"], payload["properties"]
        if body and (encoding := properties.get("body_encoding")):
            body = channel.decode_body(body, encoding)
        self._raw = payload
        self.channel = channel
        self.errors: list[tuple[type[Exception], Exception, TracebackType | None]] = []
        self.delivery_tag = properties["delivery_tag"]
        self.content_type = payload["content-type"]
        self.content_encoding = payload["content-encoding"]
        self.delivery_info = properties["delivery_info"]
        self.headers = payload["headers"]
        self.properties = properties
        self.accept = accept
        self._decoded_cache = None
        self._state = "RECEIVED"
        if isinstance(body, str):
            try:
                self.body, self._text = body.encode(), body
            except UnicodeEncodeError as exc:
                self.errors.append((type(exc), exc, exc.__traceback__))
                self.body = body
        else:
            self.body = body
        self.held = held = payload["held"]
        error = held.error
        if error is not None:
            # Kombu hands a message with errors to on_decode_error.
            self.errors.append((type(error), error, None))

    def _decode(self) -> Any:
        # As below, without further calls for each message.
        text, accept = self._text, self.accept
        is_text = text is not None and self.content_type == TEXT
        if is_text and self.content_encoding == "utf-8" and accept is not None and TEXT in accept:
            self.undecoded = self.unread = None
            return text
        try:
            decoded = self._decoded()
        except MemoryError as exc:
            self.undecoded = self.unread = EnvironmentFailure(
                "There is not enough memory to decode the body"
            )
            raise self.unread from exc
        except Exception as exc:
            self.undecoded, self.unread = exc, None
            raise
        self.undecoded = self.unread = None
        return decoded

    def _decoded(self) -> Any:
        # What Kombu's registry makes of it, at a quarter of the time.
        accept, body = self.accept, self.body
        is_text = self.content_type == TEXT and self.content_encoding == "utf-8"
        if is_text and accept is not None and TEXT in accept and isinstance(body, bytes):
            with suppress(UnicodeDecodeError):
                return body.decode()
        return super()._decode()

    def _reraise_error(self, callback: Callable[..., Any] | None = None) -> None:
        # Of Kombu: it gives the message to the callback or, without one, to nobody.
        if callback is None and self.errors:
            self.undecoded = self.errors[0][1]
            self.channel.leave_undecoded(self)
        super()._reraise_error(callback)

    def ack(self, multiple: bool = False) -> None:
        """Delete the message, soon; for a consumer without acks it is already deleted.

        One that could not be decoded for want of memory stays: Kombu acknowledges what it
        cannot decode.

        :raises kombu.Message.MessageStateError: it was already settled.
        """
        if self._state in ACK_STATES or self.channel is None:
            super().ack(multiple)
        elif self.unread is not None:
            self.requeue()
        else:
            self.channel.basic_ack(self.delivery_tag, multiple)
            self._state = "ACK"

    def reject(self, requeue: bool = False) -> None:
        """Delete the message, or leave it to its queue's redrive policy, except as for an ack."""
        if self.unread is not None and self.channel is not None:
            self.requeue()
        else:
            super().reject(requeue)

    @property
    def payload(self) -> Any:
        """The body as Kombu decodes it, which is done once."""
        if not self._decoded_cache:
            self._decoded_cache = self._decode()
        return self._decoded_cache

    @property
    def sqs_message(self) -> Received:
        """The message as ReceiveMessage returned it."""
        return self.held.message

    @property
    def sqs_body(self) -> str:
        """The SQS body; the payload itself where that is kept in S3."""
        return self.held.body

    @property
    def queue(self) -> str:
        """The name of the queue that it was received from."""
        return self.held.queue

    @property
    def is_fifo(self) -> bool:
        """Whether it came from a FIFO queue."""
        return self.queue.endswith(FIFO)

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return self.held.message_id

    @property
    def receive_count(self) -> int:
        """How often it was received, this time included."""
        return receive_count(self.held.message)

    @property
    def expired(self) -> bool:
        """Whether its visibility timeout has run out, so that others may have it now."""
        held = self.held
        return time.monotonic() >= held.expires_at if held.seconds else False

    @property
    def is_foreign(self) -> bool:
        """Whether the SQS body was no Kombu envelope."""
        return FOREIGN in self.properties

    @property
    def text(self) -> str:
        """The body as text: the SQS body, or the one inside the envelope."""
        body = self.body
        return body.decode() if isinstance(body, bytes) else str(body)

    @property
    def has_note(self) -> bool:
        """Whether something is to be written down before SQS is told what becomes of it."""
        return self.held.note is not None

    def note(self, note: Note) -> None:
        """Have something written down before SQS is told what becomes of the message.

        Until it is written the message is held.  A later note takes the place of an earlier
        one; of a message that is settled already it is written at once.
        """
        if self.acknowledged:
            note.write_now()
        else:
            self.held.note = note

    def note_start(self, note: Note) -> None:
        """Have something written down soon, unless :meth:`note` is called or it is settled before.

        Of a message that is settled already it is written at once.
        """
        if self.acknowledged:
            note.write_now()
        else:
            self.channel.note_start(self, note)

    def ask_ahead(self, ask: Ask) -> Any:
        """What *ask* answers of its body, and of those of messages that wait behind it.

        An answer that was given a moment ago, when another message was taken, counts.

        :param ask: answers what it is asked of several bodies, as SQS has them.
        """
        return ask_ahead(self.channel.held, self.held, ask)

    def also_note(self, note: Note) -> None:
        """As :meth:`note`, beside what is to be written already."""
        earlier = self.held.note
        self.note(note if earlier is None or self.acknowledged else earlier.beside(note))

    def send_parts(self, texts: Mapping[str, str]) -> dict[str, SQSError]:
        """Send to its queue messages that it stands for, by name; it stays itself.

        :returns: why those that are named were not accepted.
        """
        return send_parts(self, texts)

    def delete_now(self) -> None:
        """Delete the message; unlike :meth:`ack`, return when SQS has done it.

        :raises RequestFailed: SQS did not; the message is held as before.
        """
        self._must_be_open()
        self.channel.delete_now(self)
        self._state = "ACK"

    def requeue(self, delay: float | None = None) -> None:
        """Leave the message in the queue, visible again after *delay* seconds.

        :param delay: 0 to 43,200 (SQS counts from the receipt).  None: exponential
            backoff from the receive count (transport options ``backoff_base`` and
            ``backoff_max``).
        """
        self._must_be_open()
        self.channel.requeue(self, delay)
        self._state = "REQUEUED"

    def release(self, *, at_end: bool = False) -> None:
        """Give the message back, visible to other consumers at once.

        :param at_end: whether its own consumer ends with it.
        """
        self._must_be_open()
        self.channel.release([self], at_end=at_end)
        self._state = "REQUEUED"

    def abandon(self) -> None:
        """Forget the message without a request; SQS redelivers it after its timeout."""
        self._must_be_open()
        self.channel.abandon(self)
        self._state = "REJECTED"

    def change_visibility(self, seconds: int) -> None:
        """Hide the message for *seconds* (0 to 43,200) from now.

        From then on the caller manages its visibility timeout, and it is not renewed.
        """
        self.channel.change_visibility(self, seconds)

    @property
    def settled(self) -> bool:
        """Whether it has been settled, or is about to be."""
        return self.held.state in (State.SETTLING, State.GONE)

    def _must_be_open(self) -> None:
        if self.acknowledged:
            raise self.MessageStateError(f"Message already acknowledged with state: {self._state}")


def receive_count(message: Received) -> int:
    """How often a message was received, the latest time included."""
    try:
        return int(message["Attributes"]["ApproximateReceiveCount"])
    except (KeyError, TypeError, ValueError):
        return 1
