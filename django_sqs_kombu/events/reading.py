"""Reading what AWS writes: JSON objects, and times in the two forms that its services use."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from ..exceptions import MessageDecodeError
from ..printable import NAME, cause, quoted

#: A zone as Python 3.10 does not read it: "Z", or "+0000" without its colon.
_ZONE = re.compile(r"(Z|[+-]\d{4})$")
#: More or fewer digits of a second than Python 3.10 reads.
_FRACTION = re.compile(r"\.(\d+)")
_MICROSECONDS = 6


def parsed(text: str, kind: str) -> dict[str, Any]:
    """The JSON object *text*.

    :param kind: what it is to be, such as "an S3 event", for the error.
    :raises MessageDecodeError: it is none.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise MessageDecodeError(f"Not {kind}: not JSON: {quoted(text, NAME)}") from cause(exc)
    if not isinstance(found, dict):
        raise MessageDecodeError(f"Not {kind}: not a JSON object: {quoted(text, NAME)}")
    return found


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object *text*; None where it is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def part_of(event: Any, *path: str) -> Any:
    """What stands in *event* at the end of *path*; None where a part of that is missing."""
    for name in path:
        event = event.get(name) if isinstance(event, dict) else None
    return event


def text_in(event: Any, *path: str) -> str:
    """The text at the end of *path*; empty where there is none."""
    found = part_of(event, *path)
    return found if isinstance(found, str) else ""


def time_of(text: Any) -> datetime | None:
    """A time such as ``2026-01-31T12:00:00.000Z`` or ``...+0000``; None where *text* is none."""
    if not isinstance(text, str):
        return None
    text = _FRACTION.sub(lambda f: "." + f[1][:_MICROSECONDS].ljust(_MICROSECONDS, "0"), text)
    try:
        return datetime.fromisoformat(_ZONE.sub(_with_colon, text))
    except ValueError:
        return None


def _with_colon(zone: re.Match[str]) -> str:
    return "+00:00" if zone[1] == "Z" else f"{zone[1][:3]}:{zone[1][3:]}"
