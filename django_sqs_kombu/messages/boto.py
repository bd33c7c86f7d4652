"""Boto 2's message classes: Message, MHMessage, EncodedMHMessage and JSONMessage."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, ClassVar

import kombu

from ..exceptions import MessageDecodeError, MessageEncodeError
from .base import JSON, PLAIN, Delivery, RawMessage

logger = logging.getLogger(__name__)


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
