"""Checks: what SQS takes of a message, found out before any request."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ...exceptions import MessageEncodeError, MessageTooLarge
from ...quotas import MAX_ATTRIBUTES, MAX_MESSAGE_BYTES, MAX_RETENTION, size_of
from .trail import TRAIL

#: Bytes by which a trail may grow when its message is sent on: the id and the time.
TRAIL_GROWTH = 150
#: SQS takes the characters of XML 1.0 and no others.
FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_RESERVED_NAME = re.compile(r"(aws|amazon)\.", re.IGNORECASE)
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
#: Letters, digits and the punctuation of ASCII.
_IDENTIFIER = re.compile(r"[!-~]{1,128}")
_LONGEST_NAME = 256


def check_text(value: Any, what: str) -> None:
    """Raise :class:`MessageEncodeError` unless *value* is text that can be sent at all."""
    if not isinstance(value, str):
        raise MessageEncodeError(f"{what} must be text, not {brief(value)}")
    if not value.isascii() and (wrong := _SURROGATE.search(value)):
        raise MessageEncodeError(
            f"{what} has the lone surrogate {wrong.group()!r} at position {wrong.start()}, which "
            "is not text. What was read with errors='surrogateescape' is really bytes: send "
            "bytes."
        )


def check_identifier(value: Any, what: str) -> None:
    """Raise unless *value* is a group or deduplication id as SQS takes it, or None."""
    if value is not None and not (isinstance(value, str) and _IDENTIFIER.fullmatch(value)):
        raise MessageEncodeError(
            f"{what} must be 1 to 128 ASCII letters, digits and punctuation characters, without "
            f"spaces, not {brief(value)}"
        )


def seconds_of(delay: Any, what: str = "delay") -> float | None:
    """Return *delay*, a number or a timedelta, in seconds; None stays None.

    :raises MessageEncodeError: it is neither, below 0, or longer than SQS keeps a message.
    """
    if delay is None:
        return None
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
        raise MessageEncodeError(
            f"{what} must be a number of seconds or a timedelta, not {brief(delay)}"
        )
    if not 0 <= seconds <= MAX_RETENTION:
        raise MessageEncodeError(
            f"{what} must be 0 to {MAX_RETENTION:,} seconds (14 days, as long as SQS keeps a "
            f"message), not {brief(delay)}"
        )
    return float(seconds)


def check_attributes(attributes: Any, most: int = MAX_ATTRIBUTES) -> None:
    """Raise unless *attributes* are message attributes as SQS takes them.

    :param attributes: each as ``{"DataType": ..., "StringValue": ...}``, by name.
    :param most: how many there may be; the others are ours.
    """
    if not isinstance(attributes, Mapping):
        raise MessageEncodeError(
            f"attributes must be a mapping of names to values, not {brief(attributes)}"
        )
    if len(attributes) > most:
        ours = MAX_ATTRIBUTES - most
        reason = f", and this message needs {ours} for its delay, id or size" if ours else ""
        raise MessageEncodeError(
            f"attributes: SQS takes {MAX_ATTRIBUTES} in one message{reason}; {len(attributes)} "
            "are too many"
        )
    for name, attribute in attributes.items():
        _check_name(name)
        _check_value(name, attribute)


def check_size(queue: str, params: Mapping[str, Any]) -> None:
    """Raise :class:`MessageTooLarge` for what SQS would refuse, now or when it is sent on."""
    size = size_of(params)
    if TRAIL in (params.get("MessageAttributes") or {}):
        size += TRAIL_GROWTH
    if size > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(queue, size, MAX_MESSAGE_BYTES)


def has_room(params: Mapping[str, Any]) -> bool:
    """Whether SQS takes so many attributes, with the one that says that a payload is in S3."""
    count = len(params.get("MessageAttributes") or ())
    if count != MAX_ATTRIBUTES:
        return count < MAX_ATTRIBUTES
    return size_of(params) <= MAX_MESSAGE_BYTES


def check_room_in_s3(params: Mapping[str, Any]) -> None:
    """Raise where the payload goes to S3, and no attribute is left that says so."""
    attributes = params.get("MessageAttributes") or {}
    if len(attributes) >= MAX_ATTRIBUTES and not has_room(params):
        raise MessageEncodeError(
            f"attributes: SQS takes {MAX_ATTRIBUTES} in one message, and a payload that is kept "
            f"in S3 needs one of them; {len(attributes)} are too many"
        )


def _check_name(name: Any) -> None:
    if (
        not isinstance(name, str)
        or not _ATTRIBUTE_NAME.fullmatch(name)
        or len(name) > _LONGEST_NAME
        or _RESERVED_NAME.match(name)
    ):
        raise MessageEncodeError(
            f"attributes: {brief(name)} is not a valid name of a message attribute. SQS takes 1 to "
            f"{_LONGEST_NAME} letters, digits, '-', '_' and single dots inside, and keeps 'AWS.' "
            "and 'Amazon.' for itself."
        )


def _check_value(name: str, attribute: Any) -> None:
    kind = attribute.get("DataType") if isinstance(attribute, Mapping) else None
    if not isinstance(kind, str) or not _DATA_TYPE.fullmatch(kind):
        raise MessageEncodeError(
            f"attributes: {name!r} needs a DataType of String, Number or Binary, as in "
            f"{{'DataType': 'String', 'StringValue': 'x'}}, not {brief(attribute)}"
        )
    if kind.startswith("Binary"):
        value = attribute.get("BinaryValue")
        right = isinstance(value, bytes | bytearray | str) and len(value) > 0
    else:
        value = attribute.get("StringValue")
        right = isinstance(value, str) and value != "" and not FORBIDDEN.search(value)
        right = right and (kind[:6] != "Number" or bool(_NUMBER.fullmatch(value)))
    if not right:
        raise MessageEncodeError(
            f"attributes: the value of {name!r} must be {_WANTED[kind[:6]]}, not {brief(value)}"
        )


_WANTED = {
    "String": "non-empty text without control characters",
    "Number": "the text of a number",
    "Binary": "non-empty bytes",
}


def brief(value: Any) -> str:
    """*value* as an error shows it."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
