"""Transactions that a receiver began and left open."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

from django.db import connections

from django_sqs_kombu.exceptions import SQSError

from .connections import drop

Messages = TypeVar("Messages")
Result = TypeVar("Result")


class TransactionLeftOpen(SQSError):
    """A receiver returned while a transaction that it began was open.

    Nobody will commit it, so what it wrote there is not in the database: its message has failed.
    """

    def __init__(self, aliases: list[str]) -> None:
        self.aliases = aliases
        super().__init__(
            f"The receiver returned within a transaction of its own on {', '.join(aliases)}, and "
            "what it wrote there is rolled back. Leave each transaction.atomic() before "
            "the receiver returns: one in a generator stays open until that is closed."
        )


def leaving_none_open(
    receive: Callable[[Messages], Result],
) -> Callable[[Messages], Result]:
    """*receive*, with what it leaves open rolled back before anything else uses the connection.

    What is written of a message afterwards would be rolled back, too, with the next message at
    the latest.

    :raises TransactionLeftOpen: by what is returned: the receiver returned so.
    """
    # Open already: a test's, which is left to it.
    outside = _depths()

    def call(messages: Messages) -> Result:
        # Open already: that of once=True.
        inside = _depths()
        try:
            result = receive(messages)
        except BaseException as exc:
            if _deeper(inside):
                # A generator among the traceback's locals would roll back whatever is open on
                # this connection when it is closed, maybe in the midst of another message.
                traceback.clear_frames(exc.__traceback__)
                _roll_back(_deeper(inside), outside)
            raise
        if left := _deeper(inside):
            _roll_back(left, outside)
            raise TransactionLeftOpen(left)
        return result

    return call


def _depths() -> dict[str, int]:
    used = connections.all(initialized_only=True)
    return {each.alias: len(each.atomic_blocks) for each in used if each.in_atomic_block}


def _deeper(before: dict[str, int]) -> list[str]:
    return [alias for alias, depth in _depths().items() if depth > before.get(alias, 0)]


def _roll_back(aliases: list[str], outside: dict[str, int]) -> None:
    for alias in aliases:
        if alias not in outside:
            drop(connections[alias])
