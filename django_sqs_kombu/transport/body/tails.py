"""Tails: what follows the body in an envelope, which of most messages of a queue is the same."""

from __future__ import annotations

from collections.abc import Callable
from json import JSONDecoder
from typing import Any, NamedTuple

Envelope = dict[str, Any]

_decoder: Any = JSONDecoder()
#: What it reads a string with: given a text, where the string begins in it, and whether control
#: characters are an error; it returns the string, and where that ends.
_scan_string: Callable[[str, int, bool], tuple[str, int]] = _decoder.parse_string

#: How an envelope begins that :func:`.envelope.write_envelope` wrote of a body that is text.
OURS = '{"body":"'
#: Characters of a text whose tail is looked up: of a longer one it is the least part.
MOST_TEXT = 16 * 1024
#: Characters of a tail that is kept, and how many are.
MOST_TAIL, MOST_KNOWN = 1024, 64
#: After so many in succession that were not known, one in so many is looked up.
VAIN = 32
#: What nobody can change in place, and so may be in several envelopes.
_PLAIN = (str, int, float, bool, type(None))


class _Tail(NamedTuple):
    content_type: str | None
    content_encoding: str
    properties: dict[str, Any]
    delivery_info: dict[str, Any]


class Tails:
    """Reads envelopes, and each tail that came twice in succession only once.

    A tail is what follows the body: without headers it says nothing of a single message.

    :param read: reads an envelope; None: it is none.
    """

    def __init__(self, read: Callable[[str], Envelope | None]) -> None:
        self._read = read
        self._known: dict[str, _Tail] = {}
        self._latest = ""
        #: How many in succession were not known.
        self._vain = 0

    def envelope(self, text: str) -> Envelope | None:
        """What is read in *text*, which begins with :data:`OURS`; None: it is no envelope."""
        if self._vain >= VAIN and self._vain % VAIN:
            self._vain += 1
            return self._read(text)
        try:
            body, end = _scan_string(text, len(OURS), True)
        except ValueError:
            return None
        tail = text[end:]
        known = self._known.get(tail)
        if known is None:
            self._vain += 1
            if tail == self._latest:
                self._learn(tail)
            self._latest = tail
            return self._read(text)
        self._vain = 0
        content_type, content_encoding, properties, delivery_info = known
        return {
            "body": body,
            "content-type": content_type,
            "content-encoding": content_encoding,
            "headers": {},
            "properties": {**properties, "delivery_info": {**delivery_info}},
        }

    def _learn(self, tail: str) -> None:
        """Know *tail*, if whatever is read in it is the same for every body."""
        # It may say what is done to the body, or have another one.
        first, second = (self._read(f'{OURS}{body}"{tail}') for body in ("", "?"))
        if first is None or second is None or (first["body"], second["body"]) != ("", "?"):
            return
        properties = first["properties"]
        delivery_info = properties.pop("delivery_info")
        values = (*properties.values(), *delivery_info.values())
        if first["headers"] or len(tail) > MOST_TAIL or not all(type(v) in _PLAIN for v in values):
            return
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[tail] = _Tail(
            first["content-type"], first["content-encoding"], properties, delivery_info
        )
