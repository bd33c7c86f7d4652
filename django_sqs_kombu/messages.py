"""The message classes: what a body means, byte-compatible with those of boto 2.

A class has two forms of its value.  ``encode`` and ``decode`` are boto's: the exact
text of an SQS body, used in the ``raw`` wire format.  ``dump`` and ``load`` are what
goes inside a Kombu envelope, where the value needs no armour and any kombu consumer
can read it.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, ClassVar, Protocol

import kombu

from .exceptions import MessageDecodeError, MessageEncodeError, PayloadUnavailable

logger = logging.getLogger(__name__)

PLAIN = "text/plain"
JSON = "application/json"
#: Inside an envelope: the text is what the message class's ``encode`` wrote.
ENCODED = "application/text"


class Delivery(Protocol):
    """What message classes and receivers need to know of the delivery that brought it."""

    @property
    def acknowledged(self) -> bool:
        """Whether the message was settled already."""

    @property
    def is_foreign(self) -> bool:
        """Whether the SQS body was no Kombu envelope."""

    @property
    def text(self) -> str:
        """The body as text: the SQS body, or the one inside the envelope."""

    @property
    def content_type(self) -> str | None:
        """The content type that the envelope named."""

    @property
    def payload(self) -> Any:
        """The body as Kombu decoded it."""

    @property
    def sqs_message(self) -> Mapping[str, Any]:
        """The message as ReceiveMessage returned it."""

    @property
    def queue(self) -> str:
        """The name of the queue that it was received from."""

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""

    @property
    def receive_count(self) -> int:
        """How often it was received, this time included."""

    def ack(self) -> None:
        """Delete the message."""

    def change_visibility(self, seconds: int) -> None:
        """Hide the message for *seconds* from now."""


class RawMessage:
    """The text itself, with nothing around it; the base of all message classes.

    :param queue: the :class:`kombu.Queue` it belongs to.
    :param body: the value, in decoded form.

    A received message also has ``id``, ``receipt_handle``, ``md5``, ``attributes``
    (SQS's system attributes, ``ApproximateReceiveCount`` among them) and
    ``message_attributes`` (those that the sender set).

    A subclass overrides :meth:`encode` and :meth:`decode`; inside a Kombu envelope
    its messages then travel in that same form.
    """

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
        """The text of the SQS body for *value*."""
        if not isinstance(value, str):
            raise MessageEncodeError(
                f"{type(self).__name__} carries text, not {type(value).__name__}. "
                "Use JSONMessage for structured values, Message for bytes."
            )
        return value

    def decode(self, value: str) -> Any:
        """The value that the SQS body *value* stands for."""
        return value

    def set_body(self, body: Any) -> None:
        """Replace the value (decoded form)."""
        self._body = body

    def get_body(self) -> Any:
        """The value (decoded form)."""
        return self._body

    def get_body_encoded(self) -> str:
        """The text that goes into SQS in the ``raw`` wire format."""
        return self._encoded(self.get_body())

    def dump(self) -> tuple[str, str]:
        """The text and content type that go inside a Kombu envelope."""
        return self.encode(self.get_body()), PLAIN

    def load(self, delivery: Delivery) -> Any:
        """The value of a delivery that came in a Kombu envelope.

        Text stays text; structured content, such as JSON that another kombu
        producer sent, becomes its JSON text.
        """
        if delivery.content_type == ENCODED:
            return self.decode(delivery.text)
        payload = delivery.payload
        if isinstance(payload, str):
            return payload
        return delivery.text if delivery.content_type == JSON else json.dumps(payload)

    @classmethod
    def from_value(cls, value: Any) -> RawMessage:
        """A message to send that carries *value*."""
        return cls(body=value)

    @classmethod
    def from_delivery(cls, delivery: Delivery, queue: kombu.Queue | None = None) -> RawMessage:
        """Build the message that *delivery* brought.

        :raises MessageDecodeError: the class cannot read the body.
        :raises PayloadUnavailable: it can, but not now.
        """
        message = cls(queue)
        received = delivery.sqs_message
        message._delivery = delivery
        message.id = received.get("MessageId")
        message.receipt_handle = received.get("ReceiptHandle")
        message.md5 = received.get("MD5OfBody")
        message.attributes = dict(received.get("Attributes") or {})
        message.message_attributes = dict(received.get("MessageAttributes") or {})
        try:
            if delivery.is_foreign:
                message.set_body(message.decode(delivery.text))
            else:
                message.set_body(message.load(delivery))
        except (MessageDecodeError, PayloadUnavailable):
            raise
        except Exception as exc:
            raise MessageDecodeError(f"{cls.__name__} cannot decode the body: {exc!r}") from exc
        return message

    def delete(self) -> None:
        """Delete the message from its queue; a second call does nothing."""
        if self._delivery is not None and not self._delivery.acknowledged:
            self._delivery.ack()

    def change_visibility(self, seconds: int) -> None:
        """Hide the message for *seconds* (0 to 43,200) from now; it is not renewed then."""
        if self._delivery is not None:
            self._delivery.change_visibility(seconds)

    def _encoded(self, value: Any) -> str:
        try:
            return self.encode(value)
        except MessageEncodeError:
            raise
        except (TypeError, ValueError, AttributeError) as exc:
            raise MessageEncodeError(
                f"{type(self).__name__} cannot encode its body: {exc}"
            ) from exc

    def _dump_encoded(self) -> tuple[str, str]:
        return self.get_body_encoded(), ENCODED

    def _load_encoded(self, delivery: Delivery) -> Any:
        return self.decode(delivery.text)


class Message(RawMessage):
    """Base64 of UTF-8 text: the default class, for any text or bytes."""

    def encode(self, value: Any) -> str:
        """Base64 of *value*; text is written as UTF-8."""
        data: bytes = value.encode() if isinstance(value, str) else value
        return base64.b64encode(data).decode("ascii")

    def decode(self, value: str) -> str:
        """The text behind *value*; what is not base64 of UTF-8 is passed as it is."""
        try:
            return _from_base64(value)
        except ValueError:
            logger.warning("Unable to decode a message as base64; its body is passed as it is")
            return value

    def dump(self) -> tuple[str, str]:
        """The text itself, or base64 for bytes that are no UTF-8."""
        body = self.get_body()
        if isinstance(body, bytes):
            try:
                return body.decode(), PLAIN
            except UnicodeDecodeError:
                return self._dump_encoded()
        if not isinstance(body, str):
            raise MessageEncodeError(
                f"{type(self).__name__} carries text or bytes, not {type(body).__name__}. "
                "Use JSONMessage for structured values."
            )
        return body, PLAIN


class MHMessage(Message):
    """'Key: value' lines, like the header of a mail; used as a mapping of strings."""

    def __init__(self, queue: kombu.Queue | None = None, body: Any = None) -> None:
        super().__init__(queue, {} if body is None or body == "" else body)

    def encode(self, value: Any) -> str:
        """A 'Key: value' line for each item."""
        lines = []
        for key, item in value.items():
            line = f"{key}: {item}"
            if ":" in str(key) or len(line.splitlines()) > 1:
                raise MessageEncodeError(
                    f"{type(self).__name__} cannot carry {key!r}: a key has no colon, and "
                    "neither key nor value a line break. Use JSONMessage."
                )
            lines.append(line + "\n")
        return "".join(lines)

    def decode(self, value: str) -> Any:
        """The mapping; a line without a colon stands for itself, as in boto."""
        items: dict[str, str] = {}
        for line in value.splitlines():
            if line.strip():
                key, colon, item = line.partition(":")
                items[key.strip()] = item.strip() if colon else line.strip()
        return items

    def dump(self) -> tuple[str, str]:
        """A JSON object of strings."""
        self.get_body_encoded()
        return json.dumps({str(k): str(v) for k, v in self.items()}), JSON

    def load(self, delivery: Delivery) -> Any:
        """The mapping of a JSON object, or of 'Key: value' lines."""
        if delivery.content_type == JSON:
            payload = delivery.payload
            if not isinstance(payload, dict):
                raise MessageDecodeError(f"{type(self).__name__} needs a mapping, not {payload!r}")
            return payload
        return self.decode(delivery.text)

    def __contains__(self, key: object) -> bool:
        return key in self._body

    def __getitem__(self, key: str) -> Any:
        return self._body[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._body[key] = value
        self.set_body(self._body)

    def __iter__(self) -> Iterator[str]:
        return iter(self._body)

    def keys(self) -> KeysView[str]:
        """The mapping's keys."""
        keys: KeysView[str] = self._body.keys()
        return keys

    def values(self) -> ValuesView[Any]:
        """The mapping's values."""
        values: ValuesView[Any] = self._body.values()
        return values

    def items(self) -> ItemsView[str, Any]:
        """The mapping's items."""
        items: ItemsView[str, Any] = self._body.items()
        return items

    def has_key(self, key: str) -> bool:
        """Whether *key* is in the mapping (boto's spelling of ``in``)."""
        return key in self._body

    def update(self, values: Mapping[str, Any]) -> None:
        """Add or replace items."""
        self._body.update(values)
        self.set_body(self._body)

    def get(self, key: str, default: Any = None) -> Any:
        """The item of *key*, or *default*."""
        return self._body.get(key, default)


class EncodedMHMessage(MHMessage):
    """Base64 of 'Key: value' lines."""

    def encode(self, value: Any) -> str:
        """Base64 of what MHMessage writes."""
        return base64.b64encode(super().encode(value).encode()).decode("ascii")

    def decode(self, value: str) -> Any:
        """The mapping; raises MessageDecodeError for what is not base64 of text."""
        return super().decode(_decode_base64(value, type(self).__name__))

    dump = MHMessage.dump
    load = MHMessage.load


class JSONMessage(MHMessage):
    """Base64 of JSON; used as a mapping where the value is one."""

    # Kombu's JSON decoder gives this key a meaning of its own ({"__type__": "uuid"}).
    _KOMBU_TYPE_KEY: ClassVar[str] = '"__type__"'

    def encode(self, value: Any) -> str:
        """Base64 of ``json.dumps(value)``."""
        return base64.b64encode(json.dumps(value).encode()).decode("ascii")

    def decode(self, value: str) -> Any:
        """The JSON value; raises MessageDecodeError for anything else."""
        text = _decode_base64(value, type(self).__name__)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as exc:
            raise MessageDecodeError(f"{type(self).__name__}: no JSON: {exc}") from exc

    def dump(self) -> tuple[str, str]:
        """The JSON itself."""
        try:
            text = json.dumps(self.get_body())
        except (TypeError, ValueError, RecursionError) as exc:
            raise MessageEncodeError(
                f"{type(self).__name__} cannot encode its body: {exc}"
            ) from exc
        return self._dump_encoded() if self._KOMBU_TYPE_KEY in text else (text, JSON)

    def load(self, delivery: Delivery) -> Any:
        """The JSON value, from JSON content or from the encoded form."""
        return delivery.payload if delivery.content_type == JSON else self.decode(delivery.text)


def _from_base64(value: str) -> str:
    return base64.b64decode(value.strip(), validate=True).decode()


def _decode_base64(value: str, class_name: str) -> str:
    try:
        return _from_base64(value)
    except (binascii.Error, ValueError) as exc:
        raise MessageDecodeError(f"{class_name}: no base64 of text: {exc}") from exc
