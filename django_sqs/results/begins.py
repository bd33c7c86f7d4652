"""Begins: attempts of tasks, of which others are told once they take longer than a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from django.db import connections, router

from ..connections import drop_broken, give_back
from ..tasks.framework import TaskResult, TaskResultStatus, set_fields
from .models import TaskRecord
from .statements import ATTEMPT, UNFINISHED, ConditionalUpdate

#: Never over a later attempt, nor over what this one's end has written.
_BEGIN = ConditionalUpdate(("status", *ATTEMPT), ("id", "digest"), UNFINISHED, attempted="<")


# No slots: before Python 3.11 a dataclass that has them takes no weak references.
@dataclass
class Begin:
    """An attempt of a task, which has begun.

    :param id: of the result.
    :param digest: of the call, which the result has as well if it is that call's.
    :param started_at: when the first attempt began, and *last_attempted_at* this one.
    :param worker_ids: who began it, the last one this one.
    """

    id: str
    digest: str
    started_at: datetime | None
    last_attempted_at: datetime | None
    worker_ids: list[str]

    @classmethod
    def of(cls, result: TaskResult, digest: str) -> Begin:
        """That of the attempt that *result* is of."""
        return cls(
            result.id, digest, result.started_at, result.last_attempted_at, result.worker_ids
        )

    def values(self) -> dict[str, Any]:
        """The fields of its result."""
        return {
            "id": self.id,
            "digest": self.digest,
            "status": "RUNNING",
            "started_at": self.started_at,
            "last_attempted_at": self.last_attempted_at,
            "worker_ids": self.worker_ids,
        }

    def show(self, result: TaskResult) -> None:
        """Have a result that was read show this attempt, unless it knows of it."""
        if result.is_finished:
            return
        if result.last_attempted_at is None or result.last_attempted_at < self.last_attempted_at:
            set_fields(
                result,
                status=TaskResultStatus.RUNNING,
                started_at=self.started_at,
                last_attempted_at=self.last_attempted_at,
                worker_ids=list(self.worker_ids),
            )


class BeginWriter:
    """Writes begins, many together."""

    def write(self, contents: Sequence[Begin]) -> None:
        """Write all of them, in this thread's connection.

        :raises django.db.Error: they could not be written now.
        """
        using = router.db_for_write(TaskRecord)
        # In one order, as far as the database keeps it: two processes that have the same results
        # rarely deadlock, and then one of them writes again.
        begins = sorted(contents, key=lambda begin: begin.id)
        try:
            _BEGIN.execute_many(using, [begin.values() for begin in begins])
        except Exception as exc:
            drop_broken(using, exc)
            raise
        finally:
            give_back(using)

    def rest(self) -> None:
        """Close this thread's connections."""
        connections.close_all()


#: The attempts of this process that nobody was told of yet, by the ids of their results, and
#: some that were told of or have ended.  Whoever is to write one keeps it.
untold: WeakValueDictionary[str, Begin] = WeakValueDictionary()
