"""Ends: how attempts of tasks ended, written in batches before their messages are settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    router,
    transaction,
)

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import TEXT, line, text_of

from ..connections import discard
from ..storable import error_entry, storable, storable_text
from .models import TaskRecord
from .statements import ConditionalUpdate

logger = get_logger(__name__)

UNFINISHED = ("READY", "RUNNING")
#: How often an end is tried whose database answers others: then it is the end's own fault.
MOST_TRIES = 8

_COLUMNS = ("status", "finished_at", "errors", "return_value")
_FINISH = ConditionalUpdate(_COLUMNS, ("id", "digest"), UNFINISHED)
#: Not over what a later attempt wrote, which may have begun meanwhile.
_PAUSE = ConditionalUpdate(_COLUMNS, ("id", "digest", "last_attempted_at"), ("RUNNING",))


@dataclass(slots=True)
class End:
    """How an attempt ended.

    :param id: of the result.
    :param digest: of the call, which the result has as well if it is that call's.
    :param status: ``"READY"`` where the task is tried again.
    :param errors: all errors of the task; with *adds* those to be added to them.
    :param last_attempted_at: when the attempt began.
    :ivar tries: how often it could not be written.
    """

    id: str
    digest: str
    status: str
    errors: list[dict[str, str]]
    return_value: Any = None
    finished_at: datetime | None = None
    last_attempted_at: datetime | None = None
    adds: bool = False
    tries: int = field(default=0, compare=False)

    def values(self) -> dict[str, Any]:
        """The fields of its result, as a database can store them."""
        return {
            "id": self.id,
            "digest": self.digest,
            "status": self.status,
            "errors": storable(self.errors),
            "return_value": storable(self.return_value),
            "finished_at": self.finished_at,
            "last_attempted_at": self.last_attempted_at,
        }

    def without_its_contents(self, exc: BaseException) -> End:
        """What is written in place of an end that cannot be, since *exc* was raised."""
        why = line(text_of(exc), TEXT)
        text = f"The outcome of the task ({self.status}) could not be stored: {why}"
        error = error_entry(type(exc), storable_text(text))
        status = "FAILED" if self.finished_at else self.status
        return replace(self, status=status, errors=[error], return_value=None, adds=False)


class EndWriter:
    """Writes ends: many in one transaction, or each alone where that fails.

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
            _drop_broken(using, exc)
            self._write_each(using, contents)
        finally:
            _give_back(using)

    def rest(self) -> None:
        """Close this thread's connections."""
        connections.close_all()

    def _write_together(self, using: str, ends: Sequence[End]) -> None:
        # In one order for all processes: two that have the same results do not deadlock.
        plain = sorted((end for end in ends if not end.adds), key=lambda end: end.id)
        adding = [end for end in ends if end.adds]
        finished = [end.values() for end in plain if end.finished_at]
        paused = [end.values() for end in plain if not end.finished_at]
        with transaction.atomic(using=using):
            _FINISH.execute_many(using, finished)
            _PAUSE.execute_many(using, paused)
        for end in adding:
            _write_alone(using, end)

    def _write_each(self, using: str, ends: Sequence[End]) -> None:
        failure: Exception | None = None
        for end in ends:
            try:
                self._write_or_reduce(using, end)
            except Exception as exc:  # noqa: BLE001 - the others are written all the same
                failure = exc
                if not _answers(using, exc):
                    break
        if failure is not None:
            raise failure

    def _write_or_reduce(self, using: str, end: End) -> None:
        try:
            _write_alone(using, end)
        except Exception as exc:
            end.tries += 1
            passing = isinstance(exc, Error) and not isinstance(exc, DataError | IntegrityError)
            if passing and end.tries < MOST_TRIES:
                raise
            _drop_broken(using, exc)
            _write_alone(using, end.without_its_contents(exc))
            logger.exception("The outcome of task %s (%s) could not be stored", end.id, end.status)


def _write_alone(using: str, end: End) -> None:
    if end.adds:
        own = TaskRecord.objects.using(using).filter(pk=end.id, digest=end.digest)
        earlier = own.values_list("errors", flat=True).first()
        end = replace(end, errors=[*(earlier or []), *end.errors])
    statement = _FINISH if end.finished_at else _PAUSE
    with transaction.atomic(using=using):
        statement.execute(using, end.values())


def _drop_broken(using: str, exc: Exception) -> None:
    connection = connections[using]
    # Within somebody's transaction, as in a test, the connection is not ours to close.
    broken = isinstance(exc, OperationalError | InterfaceError | InternalError)
    if broken and not connection.in_atomic_block:
        discard(connection)


def _answers(using: str, exc: Exception) -> bool:
    """Whether the database can be reached at all."""
    _drop_broken(using, exc)
    try:
        connection = connections[using]
        connection.ensure_connection()
        return connection.is_usable()
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return False


def _give_back(using: str) -> None:
    connection = connections[using]
    # To a pool, which others wait for; any other is kept while there is something to write.
    if getattr(connection, "pool", None) and not connection.in_atomic_block:
        connection.close()
