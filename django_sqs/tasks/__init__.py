"""SQSBackend: Django's Tasks on Amazon SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .schedules import scheduled
from .unique import unique

if TYPE_CHECKING:
    from .backend import SQSBackend

__all__ = ["SQSBackend", "scheduled", "unique"]


def __getattr__(name: str) -> Any:
    # Late: a project without tasks needs no Tasks framework.
    if name == "SQSBackend":
        from .backend import SQSBackend

        return SQSBackend
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
