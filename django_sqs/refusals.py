"""Refusals: which databases refuse a statement, and what sees the statements of connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from django.db import Error

from .database_errors import is_of_database

T = TypeVar("T")


class Refusals:
    """Notes which databases refuse a statement; Django forgets that with the rollback."""

    def __init__(self) -> None:
        self.by: set[str] = set()

    def __call__(
        self, execute: Callable[..., T], sql: Any, params: Any, many: Any, context: dict[str, Any]
    ) -> T:
        try:
            return execute(sql, params, many, context)
        except Error as exc:
            if is_of_database(exc):
                self.by.add(context["connection"].alias)
            raise


@contextmanager
def seen_by(wrapper: Callable[..., Any], *on: Any) -> Iterator[None]:
    """Have each statement on these connections go by *wrapper*, as Django's ``execute_wrapper()``.

    That takes out whichever is the last in the end, which may be one that a receiver has left.
    """
    for connection in on:
        connection.execute_wrappers.append(wrapper)
    try:
        yield
    finally:
        for connection in on:
            with suppress(ValueError):
                connection.execute_wrappers.remove(wrapper)
