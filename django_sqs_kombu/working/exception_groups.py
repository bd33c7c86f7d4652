"""Exception groups, as ``asyncio.TaskGroup`` raises them: what becomes of their messages."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

from ..odd import as_a, sound
from .table import FIRST, Action, Row, row_for

#: Python 3.10 has none.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())


def deciding(raised: BaseException, table: tuple[Row, ...]) -> BaseException:
    """What counts of what was raised: of a group its first exception, if all have one outcome.

    So RestartLater, or a database that is away, is the same within a task group as without.  Where
    one of several is a failure that no policy names, the group is one, too.  Of what cannot be
    looked at, what stands for it counts.
    """
    raised = sound(raised, alone=True)
    if as_a(raised, _GROUP) is None:
        return raised
    within = list(_within(raised))
    actions = {row_for(each, FIRST, table).action for each in within}
    return within[0] if len(actions) == 1 and Action.REJECT not in actions else raised


def _within(group: Any) -> Iterator[BaseException]:
    """The exceptions of a group, and of the groups in it."""
    waiting = [group]
    while waiting:
        each = waiting.pop()
        if as_a(each, _GROUP) is not None:
            waiting += reversed(each.exceptions)
        else:
            yield each
