"""Left behind: what a receiver that raised has in its frames, which its exception keeps."""

from __future__ import annotations

import builtins
import inspect
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any

from ..odd import cause_of, traceback_of

#: An exception's own, whatever its class says of itself.
_context_of: Any = BaseException.__dict__["__context__"].__get__

#: Python 3.10 has none.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())
_within: Any = _GROUP and _GROUP.__dict__["exceptions"].__get__

#: Of frames that may go on, as that of a task which has caught and kept what it raises elsewhere.
#: Python 3.13 does not clear these; before, to clear one ended it.
_MAY_GO_ON = (
    0
    if sys.version_info >= (3, 13)
    else inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
)


def let_go_of_frames(raised: BaseException) -> None:
    """Clear the variables of the functions that *raised* came through, now that it is settled.

    Errors of Django's databases keep themselves alive, with all of these, until garbage collection
    comes, at any time: a server-side cursor that was read halfway is closed by it, and waits for
    ever where that is within a statement on the same connection.
    """
    left: list[BaseException | None] = [raised]
    seen = set()
    while left:
        exc = left.pop()
        if exc is None or id(exc) in seen:
            continue
        seen.add(id(exc))
        _clear(traceback_of(exc))
        left += [cause_of(exc), _context_of(exc)]
        if issubclass(type(exc), _GROUP):
            left += _within(exc)


def _clear(traceback: TracebackType | None) -> None:
    while traceback is not None:
        frame = traceback.tb_frame
        if not frame.f_code.co_flags & _MAY_GO_ON:
            with suppress(RuntimeError):  # It is running, or may go on.
                frame.clear()
        traceback = traceback.tb_next
