"""NotAllDone: some messages of an event are not done, and Lambda is told by an exception."""

from __future__ import annotations

from collections.abc import Sequence

from ..exceptions import SQSError


class NotAllDone(SQSError):
    """Some messages of an event are not done; SQS delivers them again.

    :param ids: theirs.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} message(s) were not handled: {', '.join(ids)}")
        self.ids = tuple(ids)
