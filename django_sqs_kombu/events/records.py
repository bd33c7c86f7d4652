"""RecordEvent: an event that is a list of records, each of which is to be received by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .event import Event
from .notification import wrapped_again
from .writing import compact


class RecordEvent(Event):
    """One record of an event; an event of several is split into messages of one each.

    What a topic of SNS has wrapped is wrapped again, so that each has its ``notification``.
    """

    splits = True

    def parts(self) -> Sequence[str] | None:
        """One text for each record; empty: a test; None: the one that it is itself."""
        return self._parts

    def rest(self, numbers: Sequence[int]) -> str | None:
        """The event with the records of these *numbers* alone, counted from 0."""
        [text] = self._texts_of([[self._records[number] for number in numbers]])
        return text

    def _hold_records(self, records: list[Any]) -> None:
        """Keep the only record, or what is to become a message each."""
        self._records = records
        if len(records) == 1:
            self._hold_record(records[0])
        else:
            self._parts = self._texts_of([[record] for record in records])

    def _texts_of(self, events: list[list[Any]]) -> list[str]:
        texts = [self._text_of(records) for records in events]
        if self.notification is None:
            return texts
        return wrapped_again(self.encode(self._body), texts)

    def _text_of(self, records: list[Any]) -> str:
        """The event that has *records* alone."""
        return compact({"Records": records})

    def _hold_record(self, record: Any) -> None:
        """Keep what a record tells.

        :raises MessageDecodeError: it is of another kind.
        """
        raise NotImplementedError
