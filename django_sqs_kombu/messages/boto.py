"""Boto 2's message classes: Message, MHMessage, EncodedMHMessage and JSONMessage."""

from __future__ import annotations

import base64
import json
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, ClassVar

import kombu

from ..exceptions import MessageDecodeError, MessageEncodeError
from ..logs import get_logger
from ..printable import NAME, cause, quoted
from ..transport.body.armour import unarmoured
from .base import ENCODED, JSON, PLAIN, Delivery, RawMessage

logger = get_logger(__name__)

#: What other programs may write before JSON: white space, and Windows its mark.
_BEFORE_JSON = "\ufeff \t\r\n"


class Message(RawMessage):
    """Base64 of UTF-8 text: the default class, for any text or bytes.

    Bytes that are not UTF-8 come back as bytes.  In the ``raw`` wire format nothing
    distinguishes them from text that only looks like base64, so the receiver gets the base64, as
    from boto.
    """

    def encode(self, value: Any) -> str:
        """Return the base64 of *value*; text is written as UTF-8."""
        data: bytes = value.encode() if isinstance(value, str) else value
        return base64.b64encode(data).decode("ascii")

    def decode(self, value: str) -> str:
        """Return the text in *value*; anything but base64 of UTF-8 is returned unchanged."""
        try:
            return unarmoured(value).decode()
        except ValueError:
            logger.warning("Unable to decode a message as base64; its body is passed on unchanged")
            return value

    def dump(self) -> tuple[str, str]:
        """Return the text itself, or base64 for bytes that are not UTF-8."""
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
        return self._checked(body), PLAIN

    def load(self, delivery: Delivery) -> Any:
        """Return the text, or the bytes if they are not UTF-8."""
        content_type = delivery.content_type
        if content_type == PLAIN and type(text := delivery.payload) is str:
            return text
        if content_type != ENCODED:
            return super().load(delivery)
        try:
            return self._from_bytes(unarmoured(delivery.text))
        except ValueError:
            return self.decode(delivery.text)

    def _from_bytes(self, content: bytes) -> Any:
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content


class MHMessage(Message):
    """'Key: value' lines, like the header of an email; used as a mapping of strings."""

    # Kombu's JSON decoder gives this key a meaning of its own ({"__type__": "uuid"}).
    _KOMBU_TYPE_KEY: ClassVar[str] = '"__type__"'

    def __init__(self, queue: kombu.Queue | None = None, body: Any = None) -> None:
        super().__init__(queue, {} if body is None or body == "" else body)

    def encode(self, value: Any) -> str:
        """Return a 'Key: value' line for each item; spaces around keys and values are ignored.

        :raises MessageEncodeError: a key has a colon, or a key or value has a line break.
        """
        lines = []
        for key, item in value.items():
            if ":" in str(key) or "\n" in f"{key}{item}":
                raise MessageEncodeError(
                    f"{type(self).__name__} cannot carry {quoted(key, NAME)}: a key must not "
                    "contain a colon, and neither key nor value a line break. Use JSONMessage."
                )
            lines.append(f"{key}: {item}\n")
        text = "".join(lines)
        if _json_object(text) is not None:
            raise MessageEncodeError(
                f"{type(self).__name__} cannot carry {quoted(text, NAME)}, which would be read "
                "as JSON. Use JSONMessage."
            )
        return text

    def decode(self, value: str) -> Any:
        """Return the mapping; a line without a colon is both key and value.

        A JSON object, as other programs write it, is read as a mapping, too.
        """
        found = _json_object(value)
        if found is not None:
            return found
        items: dict[str, str] = {}
        # At "\n" alone, as boto: to Python's splitlines a value may have more line breaks.
        for line in value.split("\n"):
            if line.strip():
                key, colon, item = line.partition(":")
                items[key.strip()] = item.strip() if colon else line.strip()
        return items

    def dump(self) -> tuple[str, str]:
        """Return a JSON object of strings."""
        self.get_body_encoded()
        return self._json_or_encoded(json.dumps({str(k): str(v) for k, v in self.items()}))

    def load(self, delivery: Delivery) -> Any:
        """Return the mapping of a JSON object, or of 'Key: value' lines."""
        if delivery.content_type == JSON:
            return self._mapping(delivery.payload)
        return self.decode(delivery.text)

    def _mapping(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise MessageDecodeError(
                f"{type(self).__name__} needs a mapping, not {quoted(value, NAME)}"
            )
        return value

    def _json_or_encoded(self, text: str) -> tuple[str, str]:
        return self._dump_encoded() if self._KOMBU_TYPE_KEY in text else (text, JSON)

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
        """Return the mapping's keys."""
        keys: KeysView[str] = self._body.keys()
        return keys

    def values(self) -> ValuesView[Any]:
        """Return the mapping's values."""
        values: ValuesView[Any] = self._body.values()
        return values

    def items(self) -> ItemsView[str, Any]:
        """Return the mapping's items."""
        items: ItemsView[str, Any] = self._body.items()
        return items

    def has_key(self, key: str) -> bool:
        """Return whether *key* is in the mapping (boto's spelling of ``in``)."""
        return key in self._body

    def update(self, values: Mapping[str, Any]) -> None:
        """Add or replace items."""
        self._body.update(values)
        self.set_body(self._body)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the item of *key*, or *default*."""
        return self._body.get(key, default)


class EncodedMHMessage(MHMessage):
    """Base64 of 'Key: value' lines."""

    def encode(self, value: Any) -> str:
        """Return the base64 of what MHMessage writes."""
        return base64.b64encode(super().encode(value).encode()).decode("ascii")

    def decode(self, value: str) -> Any:
        """The mapping.

        :raises MessageDecodeError: it is neither base64 of text nor a JSON object.
        """
        if _is_plain_json(value):
            return self._mapping(_from_json(value, type(self).__name__))
        try:
            text = unarmoured(value).decode()
        except ValueError as exc:
            raise MessageDecodeError(
                f"{type(self).__name__}: not base64 of text: {type(exc).__name__}"
            ) from cause(exc)
        return super().decode(text)

    dump = MHMessage.dump
    load = MHMessage.load


class JSONMessage(MHMessage):
    """Base64 of JSON; used as a mapping where the value is one.

    Plain JSON, which most other programs write, is read as well.
    """

    def __init__(self, queue: kombu.Queue | None = None, body: Any = None) -> None:
        # Unlike boto's, which makes a mapping of the empty text, too.
        RawMessage.__init__(self, queue, {} if body is None else body)

    @classmethod
    def from_value(cls, value: Any) -> JSONMessage:
        """Return a message to send that carries *value*; None is JSON's null."""
        message = cls()
        message.set_body(value)
        return message

    def encode(self, value: Any) -> str:
        """Return the base64 of ``json.dumps(value)``."""
        return base64.b64encode(json.dumps(value).encode()).decode("ascii")

    def decode(self, value: str) -> Any:
        """The JSON value.

        :raises MessageDecodeError: it is neither JSON nor base64 of JSON.
        """
        name = type(self).__name__
        if _is_plain_json(value):
            return _from_json(value, name)
        try:
            return json.loads(unarmoured(value))
        except (ValueError, RecursionError):
            # A number, true, false or null: text that base64 could have, too.
            return _from_json(value, name)

    def dump(self) -> tuple[str, str]:
        """The JSON itself."""
        return self._json_or_encoded(self._written(json.dumps, self.get_body()))

    def load(self, delivery: Delivery) -> Any:
        """Return the JSON value, from JSON content or from the encoded form."""
        return delivery.payload if delivery.content_type == JSON else self.decode(delivery.text)


def _is_plain_json(value: str) -> bool:
    """Whether *value* can be JSON, and base64 never: that has none of these characters."""
    return value.lstrip(_BEFORE_JSON).startswith(("{", "[", '"'))


def _from_json(value: str, class_name: str) -> Any:
    try:
        return json.loads(value.strip(_BEFORE_JSON))
    except (ValueError, RecursionError) as exc:
        raise MessageDecodeError(
            f"{class_name}: neither JSON nor base64 of JSON: {exc}"
        ) from cause(exc)


def _json_object(value: str) -> dict[str, Any] | None:
    if not value.lstrip(_BEFORE_JSON).startswith("{"):
        return None
    try:
        found = json.loads(value.strip(_BEFORE_JSON))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
