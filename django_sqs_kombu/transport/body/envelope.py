"""Kombu's envelope or a foreign body, told apart strictly, and how both are written.

An envelope is a JSON object (as it is, or in base64 as kombu's own transport sends
it) with the keys ``body``, ``content-type``, ``content-encoding``, ``headers`` and
``properties`` of the right types.  Everything else is foreign and is passed on exactly
as SQS held it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from kombu.utils.json import dumps

#: Marks, in a payload's properties, a body that had no envelope around it.
FOREIGN = "sqs_foreign"

_STRING_OR_NONE = (str, type(None))


def parse_envelope(text: str) -> dict[str, Any] | None:
    """The envelope that *text* is, its body decoded, or None for a foreign body."""
    candidate = text.lstrip()
    if candidate.startswith("{"):
        return _envelope(candidate)
    # Every JSON object in base64 starts with 'e', the first six bits of '{'.
    if candidate.startswith("e"):
        try:
            return _envelope(base64.b64decode(candidate.strip(), validate=True).decode())
        except ValueError:
            return None
    return None


def foreign_payload(text: str) -> dict[str, Any]:
    """A payload for Kombu that carries *text*, a body without an envelope."""
    return {
        "body": text,
        "content-type": None,
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {FOREIGN: True, "delivery_info": {}},
    }


def write_envelope(message: dict[str, Any]) -> str:
    """The envelope of *message*, as any kombu reads it.

    ``delivery_tag`` is left out: every receiver replaces it with the receipt handle.
    """
    properties = {k: v for k, v in message["properties"].items() if k != "delivery_tag"}
    return str(dumps({**message, "properties": properties}, separators=(",", ":")))


def _envelope(text: str) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not _looks_like_envelope(data):
        return None
    properties = data["properties"]
    encoding = properties.get("body_encoding")
    if encoding == "base64":
        try:
            data["body"] = base64.b64decode(data["body"], validate=True)
        except ValueError:
            return None
        properties["body_encoding"] = None
    elif encoding not in (None, "utf-8"):
        return None
    properties.pop(FOREIGN, None)
    return data  # type: ignore[no-any-return]


def _looks_like_envelope(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and isinstance(data.get("body"), str)
        and isinstance(data.get("content-type", 0), _STRING_OR_NONE)
        and isinstance(data.get("content-encoding", 0), _STRING_OR_NONE)
        and isinstance(data.get("headers"), dict)
        and isinstance(data.get("properties"), dict)
        and isinstance(data["properties"].get("delivery_info", {}), dict)
    )
