"""Printing what others wrote: cut and escaped, in one place.

Whatever comes out of a message (its body, its content type, a key in S3, a field's name)
or out of a server's answer goes into logs and error texts through these functions alone, so
that nobody forges a log line and no message costs more of the log than its due.
"""

from __future__ import annotations

import reprlib
import traceback
from collections.abc import Iterable
from difflib import get_close_matches

#: How much of a body is printed, in characters, before they are escaped.
BODY = 1_000
#: How much of a name is printed: a content type, a key, a field.
NAME = 200
#: How much of an error's text is printed.
TEXT = 4_000
#: How many items of a list or mapping are printed.
ITEMS = 100
#: How many exceptions of a chain are printed.
LINKS = 10
#: Seconds by which something may be late before it is printed how long it took.
OVERRUN = 2


class Told(Exception):
    """Stands for an exception whose text is too long or not printable, its traceback kept."""


def line(text: str, limit: int = TEXT) -> str:
    """*text* on one line: cut, and all that is not printable escaped."""
    cut = text[:limit]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else _escaped(c) for c in cut)
    more = len(text) - limit
    return f"{cut} and {more} more characters" if more > 0 else cut


def quoted(value: object, limit: int = BODY) -> str:
    """The repr of *value* on one line, cut: text and bytes before they are escaped."""
    if isinstance(value, str | bytes):
        more = len(value) - limit
        kind = "characters" if isinstance(value, str) else "bytes"
        cut = repr(value[:limit])
        return f"{cut} and {more} more {kind}" if more > 0 else cut
    printer = reprlib.Repr()
    printer.maxdict = printer.maxlist = printer.maxtuple = printer.maxset = ITEMS
    printer.maxstring = printer.maxother = printer.maxlong = limit
    try:
        return line(printer.repr(value), limit)
    except Exception:  # noqa: BLE001 - a value that cannot be shown is no reason to fail
        return f"<{type(value).__name__}>"


def cause(exc: Exception) -> Exception:
    """*exc* as the cause of an error that is logged with its traceback.

    Where its text, or that of what led to it, has line breaks or is long: a stand-in with
    the same traceback.
    """
    chain: list[BaseException] = []
    following: BaseException | None = exc
    while following is not None and len(chain) < LINKS:
        chain.append(following)
        led = following.__cause__
        if led is None and not following.__suppress_context__:
            led = following.__context__
        following = led
    if following is None and all(_is_harmless(each) for each in chain):
        return exc
    told: Exception | None = None
    for each in reversed(chain):
        link = Told(f"{type(each).__name__}: {line(text_of(each))}")
        link.__cause__ = told
        told = link.with_traceback(each.__traceback__)
    return told or exc


def _is_harmless(exc: BaseException) -> bool:
    text = text_of(exc)
    return text.isprintable() and len(text) <= TEXT


def text_of(exc: BaseException) -> str:
    """The text of an exception, which may be of a class that cannot write one."""
    try:
        return str(exc)
    except Exception:  # noqa: BLE001 - it is what failed that counts
        return object.__repr__(exc)


def repr_of(exc: BaseException | None) -> str:
    """The repr of an exception, or of none, which may be of a class that cannot write one."""
    try:
        return repr(exc)
    except Exception:  # noqa: BLE001 - the same
        return object.__repr__(exc)


def traceback_of(exc: BaseException) -> str:
    """The traceback of an exception as text; of one that cannot be written, its class."""
    try:
        return "".join(traceback.format_exception(exc))
    except Exception:  # noqa: BLE001 - the same
        return object.__repr__(exc)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def closest(name: object, known: Iterable[str]) -> str | None:
    """Of the *known* names the one that is most like *name*; None: none is."""
    return next(iter(get_close_matches(str(name), [*known], n=1)), None)


def meant(name: object, known: Iterable[str]) -> str:
    """What an error adds after a *name* that is not *known*; empty if none is like it."""
    near = closest(name, known)
    return f" Did you mean {near!r}?" if near else ""


def overrun(limit: float | None, ran: float | None) -> str:
    """What is said of what ran longer than its *limit*, both in seconds and None if unknown."""
    if limit is None:
        return "timed out"
    if ran is not None and ran > limit + OVERRUN:
        return f"ran {ran:.0f} s, its timeout is {limit:g} s"
    return f"timed out after {limit:g} s"
