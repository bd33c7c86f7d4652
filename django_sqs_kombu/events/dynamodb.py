"""DynamoDBRecord: a change of a table's item, by a pipe of EventBridge's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from ..exceptions import MessageDecodeError
from ..messages import validated
from ..printable import NAME, cause, line
from .reading import parsed, part_of, text_in
from .records import RecordEvent
from .writing import compact

_KIND = "a DynamoDB stream record"


class DynamoDBRecord(RecordEvent):
    """A change of one item; ``get_body()`` is the item as it is now, or None if it was removed.

    A pipe from the table's stream writes it.  Items are plain Python: numbers are Decimals,
    binaries bytes, sets sets.  With ``model=`` the item and ``old`` are validated.

    :ivar name: ``"INSERT"``, ``"MODIFY"`` or ``"REMOVE"``.
    :ivar keys: the item's key.
    :ivar new: the item now; None if it was removed, or the stream does not include it.
    :ivar old: the item before; likewise.
    :ivar table: the table's name.
    :ivar event_id: the record's id.
    :ivar sequence_number: greater in the later of two records of one item.
    :ivar time: about when it happened.
    """

    name = ""
    table = ""
    event_id = ""
    sequence_number = ""
    time: datetime | None = None
    keys: Mapping[str, Any] = {}
    new: Any = None
    old: Any = None

    def read(self, text: str) -> None:
        """Read a record, or several that an enrichment has put together."""
        # A pipe hands on a list where its enrichment returns one.
        several = text.lstrip().startswith("[")
        self.event = parsed('{"Records": ' + text + "}" if several else text, _KIND)
        records = self.event.get("Records")
        if isinstance(records, list):
            self._hold_records(records)
        else:
            self._hold_record(self.event)

    def _text_of(self, records: list[Any]) -> str:
        # As the pipe wrote it, so that no part is larger than the whole.
        return compact(records[0] if len(records) == 1 else records)

    def _hold_record(self, record: Any) -> None:
        self.name = text_in(record, "eventName")
        change = part_of(record, "dynamodb")
        if not (self.name and isinstance(change, dict)):
            raise MessageDecodeError(f"Not {_KIND}: eventName or dynamodb is missing")
        self.event_id = text_in(record, "eventID")
        self.table = _table(text_in(record, "eventSourceARN"))
        self.sequence_number = text_in(change, "SequenceNumber")
        self.time = _time(change.get("ApproximateCreationDateTime"))
        self.keys = _item(change.get("Keys")) or {}
        self.new = self._of_model(change.get("NewImage"))
        self.old = self._of_model(change.get("OldImage"))
        self._inside = self.new

    def _of_model(self, image: Any) -> Any:
        item = _item(image)
        if item is None or self.model is None:
            return item
        return validated(self.model, lambda adapter: adapter.validate_python(item))


def _table(arn: str) -> str:
    """Of ``arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/...``."""
    parts = arn.split(":", 5)[-1].split("/")
    return parts[1] if parts[0] == "table" and len(parts) > 1 else ""


def _time(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _item(image: Any) -> dict[str, Any] | None:
    if not isinstance(image, dict):
        return None
    try:
        return {name: _value(value) for name, value in image.items()}
    except Exception as exc:  # noqa: BLE001 - whatever stands in the place of an item
        raise MessageDecodeError(
            f"Not {_KIND}: an invalid item: {line(str(exc), NAME)}"
        ) from cause(exc)


def _value(typed: Any) -> Any:
    """The value of what DynamoDB writes as ``{"S": "text"}``."""
    [(kind, value)] = typed.items()
    return _READ[kind](value)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


#: How each of DynamoDB's types is read, by its letters.
_READ: dict[str, Callable[[Any], Any]] = {
    "S": str,
    "N": Decimal,
    "B": _bytes,
    "BOOL": bool,
    "NULL": lambda _: None,
    "L": lambda values: [_value(each) for each in values],
    "M": lambda values: {name: _value(each) for name, each in values.items()},
    "SS": set,
    "NS": lambda values: set(map(Decimal, values)),
    "BS": lambda values: set(map(_bytes, values)),
}
