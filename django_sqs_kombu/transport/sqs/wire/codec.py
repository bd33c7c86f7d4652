"""Codec: SQS's JSON protocol, as far as its frequent requests need it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.parsers
from botocore.awsrequest import HeadersDict
from botocore.exceptions import ClientError

from ..answers import NotAnAnswer, read_answer

_LISTED = ("Successful", "Failed")


def _bytes(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    raise TypeError(f"{value!r} cannot be sent to SQS")


_encode = json.JSONEncoder(separators=(",", ":"), default=_bytes).encode


def encode(params: Mapping[str, Any]) -> bytes:
    """The body of a request."""
    return _encode(params).encode()


def decode(
    operation: str, status: int, headers: Sequence[tuple[str, str]], body: bytes
) -> dict[str, Any]:
    """The answer that a body is.

    :raises botocore.exceptions.ClientError: SQS refused.
    :raises ValueError: it is no answer of SQS's.
    """
    if status != 200:
        raise error(operation, status, headers, body)
    answer = read_answer(operation, body)
    if operation == "ReceiveMessage":
        _read_attributes(answer.get("Messages"))
    else:
        _check_lists(answer)
    return answer


def error(
    operation: str, status: int, headers: Iterable[tuple[str, str]], body: bytes
) -> ClientError:
    """What botocore would raise for an answer that is none of success."""
    # The parser takes what is below 301 for a success.
    response = {"status_code": max(status, 301), "headers": HeadersDict(headers), "body": body}
    return ClientError(_parser().parse(response, None), operation)


@cache
def _parser() -> Any:
    return botocore.parsers.create_parser("json")


def _check_lists(answer: Mapping[str, Any]) -> None:
    for name in _LISTED:
        entries = answer.get(name) or []
        if type(entries) is not list or not {dict}.issuperset(map(type, entries)):
            raise NotAnAnswer(f"{name} is not a list of entries")


def _read_attributes(messages: object) -> None:
    """Read what is binary, and leave out what is not of SQS's form."""
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and "MessageAttributes" in message:
            attributes = message["MessageAttributes"]
            items = attributes.items() if isinstance(attributes, dict) else ()
            message["MessageAttributes"] = {
                name: read for name, value in items if (read := _attribute(value)) is not None
            }


def _attribute(value: object) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    if "BinaryValue" not in value:
        return value
    try:
        return {**value, "BinaryValue": base64.b64decode(value["BinaryValue"])}
    except (TypeError, binascii.Error):
        return None
