"""S3Event: an object that was made, removed or restored in a bucket of S3."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from ..exceptions import MessageDecodeError
from ..printable import NAME, quoted
from .reading import parsed, part_of, text_in, time_of
from .records import RecordEvent

_KIND = "an S3 event"


class S3Event(RecordEvent):
    """An event of S3 about one object; ``get_body()`` is the record, a mapping.

    S3 writes to the queue, or to an SNS topic that the queue is subscribed to.  Its test event
    (``s3:TestEvent``) is deleted without calling the receiver.  Events through EventBridge are
    :class:`EventBridgeEvent`.

    :ivar bucket: the bucket's name.
    :ivar key: the object's key, without the URL quoting that S3 applies.
    :ivar name: such as ``"ObjectCreated:Put"``.
    :ivar size: the object's size in bytes; None if S3 does not say, as for a removed object.
    :ivar etag: the object's ETag, or empty.
    :ivar version_id: the object's version in a versioned bucket; otherwise None.
    :ivar sequencer: greater in the later of two events of one key, compared as text of
        equal length, padded with zeros on the right; may be empty.
    :ivar time: when it happened.
    """

    bucket = ""
    key = ""
    name = ""
    etag = ""
    sequencer = ""
    size: int | None = None
    version_id: str | None = None
    time: datetime | None = None

    def read(self, text: str) -> None:
        """Read an event: its record, or several to be split."""
        self.event = parsed(text, _KIND)
        if self.event.get("Event") == "s3:TestEvent" and "Records" not in self.event:
            self._parts = []
            return
        records = self.event.get("Records")
        if not isinstance(records, list):
            hint = ": it came through EventBridge, use EventBridgeEvent"
            came_by_bus = "detail-type" in self.event
            raise MessageDecodeError(f"Not {_KIND}{hint if came_by_bus else ': no Records'}")
        self._hold_records(records)

    def _hold_record(self, record: Any) -> None:
        self.bucket = text_in(record, "s3", "bucket", "name")
        self.key = unquote_plus(text_in(record, "s3", "object", "key"))
        if not (self.bucket and self.key):
            raise MessageDecodeError(
                f"Not {_KIND}: a record without bucket or key: {quoted(record, NAME)}"
            )
        self.name = text_in(record, "eventName")
        size = part_of(record, "s3", "object", "size")
        self.size = size if isinstance(size, int) else None
        self.etag = text_in(record, "s3", "object", "eTag")
        self.version_id = text_in(record, "s3", "object", "versionId") or None
        self.sequencer = text_in(record, "s3", "object", "sequencer")
        self.time = time_of(part_of(record, "eventTime"))
        self._hold(record)
