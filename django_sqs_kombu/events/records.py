"""RecordEvent: an event that is a list of records, each of which is to be received by itself."""

from __future__ import annotations

import json
from typing import Any

from .event import Event


class RecordEvent(Event):
    """One record of an event; an event of several is split into messages of one each."""

    splits = True

    def _hold_records(self, records: list[Any]) -> None:
        """Keep the only record, or what is to become a message each."""
        if len(records) == 1:
            self._hold_record(records[0])
        else:
            self._parts = [json.dumps({"Records": [record]}) for record in records]

    def _hold_record(self, record: Any) -> None:
        """Keep what a record tells.

        :raises MessageDecodeError: it is of another kind.
        """
        raise NotImplementedError
