"""Asking ahead: what is asked of one message is asked of others of its queue, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from .held import Held, State
from .table import HeldMessages
from .told import Told

#: Answers what it is asked of several bodies, in their order; it may raise.
Ask = Callable[[Sequence[str]], Sequence[Any]]

#: The most messages that wait, and are asked about.
MOST = 50


def ask_ahead(table: HeldMessages, held: Held, ask: Ask) -> Any:
    """What *ask* answers of a message, which may have been asked when another one was taken.

    So a database, say, is asked once for what is received together: by the first thread for
    those that wait in line, by the next for the messages of all threads that came meanwhile.

    :raises Exception: what *ask* raises; each of the others asks for itself then.
    """
    now = time.monotonic()
    asking = table.asking(held.queue)
    told = held.told
    if told is None or not told.counts(now):
        held.told = told = Told(now)
        asking.wanted.append((told, held.body))
    if not told.answered:
        with asking.one:
            if not (told.answered or told.failed):
                _ask_all(table, held, told, ask)
    return ask([held.body])[0] if told.failed else told.answer


def _ask_all(table: HeldMessages, held: Held, own: Told, ask: Ask) -> None:
    """Ask about a message, those that others wait to hear of, and those that wait in line."""
    asking = table.asking(held.queue)
    wanted, asking.wanted = asking.wanted, []
    asked = {id(told): (told, body) for told, body in wanted}
    asked[id(own)] = own, held.body
    now = time.monotonic()
    with table.lock:
        for each in islice(table.line(held.queue), MOST):
            if each.state is State.WAITING and not (each.told and each.told.counts(now)):
                each.told = told = Told(now)
                asked[id(told)] = told, each.body
    all_told = [told for told, _ in asked.values()]
    try:
        answers = ask([body for _, body in asked.values()])
        for told, answer in zip(all_told, answers, strict=True):
            told.end(answer)
    finally:
        for told in all_told:
            told.failed = not told.answered
