"""Ends: how attempts of tasks ended, written in batches before their messages are settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connections, router, transaction
from django.db.models import F

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import TEXT, line, text_of

from ..connections import drop_broken, give_back
from ..database_errors import is_of_database
from ..refused_writes import MOST_TRIES, answers, is_full
from ..storable import error_entry, storable, storable_text
from .begins import Begin
from .models import TaskRecord
from .statements import ATTEMPT, UNFINISHED, ConditionalUpdate

logger = get_logger(__name__)

_COLUMNS = ("status", "finished_at", "errors", "return_value")
#: With all of the attempt, of which its result may know nothing yet.
_FINISH = ConditionalUpdate((*_COLUMNS, *ATTEMPT), ("id", "digest"), UNFINISHED)
#: Not over what a later attempt wrote, which may have begun meanwhile.
_PAUSE = ConditionalUpdate((*_COLUMNS, *ATTEMPT), ("id", "digest"), UNFINISHED, attempted="<=")
#: Of a task of which no attempt has come to an end.
_FAIL = ConditionalUpdate(_COLUMNS, ("id", "digest"), UNFINISHED)


@dataclass(slots=True)
class End:
    """How an attempt ended.

    :param id: of the result.
    :param digest: of the call, which the result has as well if it is that call's.
    :param status: ``"READY"`` where the task is tried again.
    :param errors: all errors of the task; with *adds* those to be added to them.
    :param begin: the attempt; None: it is not known.
    :ivar tries: how often it could not be written.
    """

    id: str
    digest: str
    status: str
    errors: list[dict[str, str]]
    return_value: Any = None
    finished_at: datetime | None = None
    begin: Begin | None = None
    adds: bool = False
    tries: int = field(default=0, compare=False)

    @property
    def statement(self) -> ConditionalUpdate:
        """What writes it."""
        if self.begin is None:
            return _FAIL
        return _FINISH if self.finished_at else _PAUSE

    def values(self) -> dict[str, Any]:
        """The fields of its result, as a database can store them."""
        return {
            **(self.begin.values() if self.begin else {}),
            "id": self.id,
            "digest": self.digest,
            "status": self.status,
            "errors": storable(self.errors),
            "return_value": storable(self.return_value),
            "finished_at": self.finished_at,
        }

    def without_its_contents(self, exc: BaseException) -> End:
        """What is written in place of an end that cannot be, since *exc* was raised."""
        why = line(text_of(exc), TEXT)
        text = f"The outcome of the task ({self.status}) could not be stored: {why}"
        error = error_entry(type(exc), storable_text(text))
        status = "FAILED" if self.finished_at else self.status
        return replace(self, status=status, errors=[error], return_value=None, adds=False)


class EndWriter:
    """Writes ends: many together, or each alone where that fails.

    A database that is away, locked or full raises, and all are written again later; that
    changes nothing of those that were written already.  An end that a database refuses for
    its contents is written without them, so no result stays RUNNING.
    """

    def write(self, contents: Sequence[End]) -> None:
        """Write all of them, in this thread's connection.

        :raises django.db.Error: some could not be written now.
        """
        using = router.db_for_write(TaskRecord)
        try:
            self._write_together(using, contents)
        except Exception as exc:  # noqa: BLE001 - a driver may raise anything for odd contents
            drop_broken(using, exc)
            self._write_each(using, contents)
        finally:
            give_back(using)

    def rest(self) -> None:
        """Close this thread's connections."""
        connections.close_all()

    def _write_together(self, using: str, ends: Sequence[End]) -> None:
        # In one order, as far as the database keeps it: two processes that have the same results
        # rarely deadlock, and then one of them writes again.
        plain = sorted((end for end in ends if not end.adds), key=lambda end: end.id)
        adding = [end for end in ends if end.adds]
        # Should one fail, all of them are written again, which changes nothing.
        for statement in (_FINISH, _PAUSE, _FAIL):
            values = [end.values() for end in plain if end.statement is statement]
            statement.execute_many(using, values)
        for end in adding:
            _write_alone(using, end)

    def _write_each(self, using: str, ends: Sequence[End]) -> None:
        failure: Exception | None = None
        for end in ends:
            try:
                self._write_or_reduce(using, end)
            except Exception as exc:  # noqa: BLE001 - the others are written all the same
                failure = exc
                if not answers(using, exc):
                    break
        if failure is not None:
            raise failure

    def _write_or_reduce(self, using: str, end: End) -> None:
        try:
            _write_alone(using, end)
        except Exception as exc:
            end.tries += 1
            passing = is_of_database(exc)
            if passing and (end.tries < MOST_TRIES or is_full(exc)):
                raise
            drop_broken(using, exc)
            why = _still_refused(using, end) if passing else exc
            if why is not None:
                _write_alone(using, end.without_its_contents(why))
                text = "The outcome of task %s (%s) could not be stored"
                logger.error(text, end.id, end.status, exc_info=why)


def _still_refused(using: str, end: End) -> Exception | None:
    """What a database says of an end where it takes other writes of the same row; None: nothing.

    A lock that lasts, or a server that may only be read, refuses any write.  What comes after one
    that failed for that may be the first that does not: that says nothing of the contents.

    :raises django.db.Error: the row cannot be written at all now.
    """
    refused: Exception | None = None
    # One transaction, so that nobody else has the row locked for the second statement alone.
    with transaction.atomic(using=using):
        TaskRecord.objects.using(using).filter(pk=end.id).update(digest=F("digest"))
        try:
            _write_alone(using, end)
        except Exception as exc:  # noqa: BLE001 - a driver may raise anything for odd contents
            refused = exc
    if refused is not None:
        drop_broken(using, refused)
        if is_full(refused):
            raise refused
    return refused


def _write_alone(using: str, end: End) -> None:
    if end.adds:
        own = TaskRecord.objects.using(using).filter(pk=end.id, digest=end.digest)
        earlier = own.values_list("errors", flat=True).first()
        end = replace(end, errors=[*(earlier or []), *end.errors])
    end.statement.execute(using, end.values())
