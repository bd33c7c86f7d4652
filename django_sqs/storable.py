"""What every database can store: PostgreSQL takes no NUL, and none takes half a character."""

from __future__ import annotations

import re
from typing import Any

_WRONG = re.compile("[\0\ud800-\udfff]")


def storable_text(text: str) -> str:
    """*text* with U+FFFD in place of each NUL and of each lone surrogate."""
    return _WRONG.sub("\N{REPLACEMENT CHARACTER}", text)


def error_entry(cls: type[BaseException], text: str) -> dict[str, str]:
    """An error as a result keeps it.

    :param text: in the place of a traceback.
    """
    return {"exception": f"{cls.__module__}.{cls.__qualname__}", "traceback": text}


def storable(value: Any) -> Any:
    """A JSON value all of whose text is storable, the keys of objects included."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value
