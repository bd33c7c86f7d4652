"""Kombu's envelope or a foreign body, told apart, and how both are written.

An envelope is a JSON object (as it is, or in base64 as kombu's own transport sends it) with
a text ``body`` and an object ``properties``.  What else an envelope has may be missing, as
stock kombu reads it: ``content-type``, ``content-encoding`` and ``headers``, which protocol 1
of Celery does not know.  Everything else is foreign and is passed on exactly as SQS held it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from kombu.utils.json import JSONEncoder, object_hook

from ...exceptions import MessageEncodeError
from .armour import unarmoured
from .tails import MOST_TEXT, OURS, Tails

#: Marks, in a payload's properties, a body that had no envelope around it.
FOREIGN = "sqs_foreign"
CONTENT_TYPE = "content-type"
CONTENT_ENCODING = "content-encoding"
UTF_8 = "utf-8"

_BODIES = (str, bytes)
_KEYS = frozenset({"body", "properties", "headers", CONTENT_TYPE, CONTENT_ENCODING})
#: How an object may begin in base64: with the first six bits of a brace, or of the white
#: space before it.
_OBJECT_IN_BASE64 = ("e", "I", "C", "D")
#: What SQS takes in no body, unescaped; control characters JSON escapes anyway.
_UNWRITABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")

#: As Kombu's own ``dumps``, which makes an encoder each time.
_encode = JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


#: Its ``scan_once`` is what ``raw_decode`` calls.
_decoder: Any = json.JSONDecoder()
#: What Kombu's encoder writes around a date, bytes and the like.  Within a body that is JSON
#: itself it is escaped, and so not found.
_TYPED = '"__type__"'
#: What JSON takes for white space.
_BLANKS = " \t\n\r"


def parse_envelope(text: str) -> dict[str, Any] | None:
    """The envelope that *text* is, its body decoded, or None for a foreign body."""
    if text.startswith(OURS) and len(text) <= MOST_TEXT:
        return _tails.envelope(text)
    candidate = text.lstrip()
    if candidate.startswith("{"):
        return _envelope(candidate)
    if candidate.startswith(_OBJECT_IN_BASE64):
        try:
            candidate = unarmoured(candidate).decode().lstrip()
        except ValueError:
            return None
        return _envelope(candidate) if candidate.startswith("{") else None
    return None


def rewritten(text: str, change: Callable[[dict[str, Any]], None]) -> str | None:
    """The envelope *text* after a change, in base64 where it was; None: it is no envelope.

    :param change: is given the envelope as its sender wrote it, with headers, and changes it.
    """
    if parse_envelope(text) is None:
        return None
    armours = not text.lstrip().startswith("{")
    envelope = json.loads(unarmoured(text) if armours else text)
    envelope["headers"] = envelope.get("headers") or {}
    change(envelope)
    written = json.dumps(envelope)
    return base64.b64encode(written.encode()).decode() if armours else written


def foreign_payload(text: str) -> dict[str, Any]:
    """A payload for Kombu that carries *text*, a body without an envelope."""
    return {
        "body": text,
        CONTENT_TYPE: None,
        CONTENT_ENCODING: UTF_8,
        "headers": {},
        "properties": {FOREIGN: True, "delivery_info": {}},
    }


def write_envelope(message: dict[str, Any]) -> str:
    """The envelope of *message*, as any kombu reads it, in UTF-8.

    ``delivery_tag`` is left out: every receiver replaces it with the receipt handle.

    :raises MessageEncodeError: it has half a character, which is no text.
    """
    properties = message["properties"]
    if "delivery_tag" in properties:
        properties = {k: v for k, v in properties.items() if k != "delivery_tag"}
    text = _encode({**message, "properties": properties})
    return text if text.isascii() else _UNWRITABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    if "\ud800" <= character <= "\udfff":
        raise MessageEncodeError(
            f"A message with the lone surrogate {character!r} is not text. What was read with "
            "errors='surrogateescape' is really bytes: send bytes."
        )
    return f"\\u{ord(character):04x}"


def _envelope(text: str) -> dict[str, Any] | None:
    # One function, since it is called for each message.
    try:
        data, end = _decoder.scan_once(text, 0)
    except (ValueError, RecursionError, StopIteration):
        return None
    if (end != len(text) and text[end:].strip(_BLANKS)) or type(data) is not dict:
        return None
    if _TYPED in text:
        data = _with_types(text, data)
    try:
        body, properties = data["body"], data["properties"]
    except KeyError:
        return None
    get: Callable[[str], Any] = data.get
    headers, content_type = get("headers") or {}, get(CONTENT_TYPE) or ""
    encoding = get(CONTENT_ENCODING) or UTF_8
    if not (
        type(body) in _BODIES
        and type(properties) is dict
        and type(headers) is dict
        and type(content_type) is type(encoding) is str
        # Else it is somebody's own object, of which a body and properties are only a part.
        and (CONTENT_TYPE in data or CONTENT_ENCODING in data or data.keys() <= _KEYS)
    ):
        return None
    delivery_info = properties.get("delivery_info") or {}
    if type(delivery_info) is not dict:
        return None
    armour = properties.get("body_encoding") or UTF_8
    if armour != UTF_8:
        if type(armour) is not str or (armour := armour.lower()) not in (UTF_8, "base64"):
            return None
        if armour == "base64":
            try:
                body = unarmoured(body if type(body) is str else body.decode())
            except ValueError:
                return None
            properties["body_encoding"] = None
    properties.pop(FOREIGN, None)
    properties["delivery_info"] = delivery_info
    # Kombu acknowledges nothing for a consumer without acks: no sender says for whom it is.
    delivery_info.pop("consumer_tag", None)
    return {
        "body": body,
        CONTENT_TYPE: content_type or None,
        CONTENT_ENCODING: encoding,
        "headers": _headers(headers) if "task" in headers else headers,
        "properties": properties,
    }


_tails = Tails(_envelope)


def _with_types(text: str, plain: dict[str, Any]) -> dict[str, Any]:
    """What Kombu's own transport reads in *text*: dates, UUIDs, bytes.  *plain* is its JSON."""
    try:
        data: dict[str, Any] = json.loads(text, object_hook=_with_type)
    except RecursionError:
        return plain
    properties = plain.get("properties")
    if type(properties) is not dict or type(data["properties"]) is not dict:
        return plain
    if "delivery_info" in properties:
        # It stays JSON.
        data["properties"]["delivery_info"] = properties["delivery_info"]
    return data


def _with_type(value: dict[str, Any]) -> Any:
    try:
        return object_hook(value)
    except Exception:  # noqa: BLE001 - a stranger may have written anything there
        return value


def _headers(headers: dict[str, Any]) -> dict[str, Any]:
    # Celery looks its tasks up by this one, and a worker ends over one that is no text.
    if isinstance(headers["task"], str):
        return headers
    return {name: value for name, value in headers.items() if name != "task"}
