"""The table of outcomes: what becomes of a message, by what its receiver raised."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass

from ..exceptions import (
    KilledItsProcess,
    MessageDecodeError,
    PayloadUnavailable,
    RestartLater,
    TimedOut,
)


class Action(enum.Enum):
    """What is done with a message after its receiver."""

    DELETE = "deleted"
    REQUEUE = "left in the queue for later"
    REJECT = "deleted, or left to the redrive policy of its queue"
    RELEASE = "given back, visible at once"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    :param raised: what the receiver raised; ``NoneType`` where it returned.
    :param action: what is done with the message.
    :param level: the level of the log record.
    :param traceback: whether the record has the traceback and the body.
    :param says: the record's text after the message's id.
    :param reason: whether what was raised is told, without its traceback.
    """

    raised: type[object]
    action: Action
    level: int
    traceback: bool
    says: str
    reason: bool = False


#: The first row that matches counts.
TABLE = (
    Row(type(None), Action.DELETE, logging.DEBUG, False, "was received"),
    Row(RestartLater, Action.REQUEUE, logging.INFO, False, "is to be restarted later"),
    Row(KeyboardInterrupt, Action.RELEASE, logging.INFO, False, "was interrupted"),
    Row(PayloadUnavailable, Action.REQUEUE, logging.ERROR, False, "is tried again later", True),
    Row(MessageDecodeError, Action.REJECT, logging.ERROR, True, "cannot be decoded"),
    Row(KilledItsProcess, Action.REJECT, logging.ERROR, True, "has killed its process too often"),
    Row(TimedOut, Action.REJECT, logging.ERROR, True, "took its receiver too long"),
    Row(BaseException, Action.REJECT, logging.ERROR, True, "made its receiver fail"),
)


def row_for(raised: BaseException | None) -> Row:
    """The row of the table for what a receiver raised, or None where it returned."""
    return next(row for row in TABLE if isinstance(raised, row.raised))
