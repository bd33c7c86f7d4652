"""Naming: the name that SQS knows a queue by, as kombu's own SQS transport spells it."""

from __future__ import annotations

import string
from functools import lru_cache

from ...names import FIFO

#: A dot becomes a dash, a dash stays one, other punctuation becomes an underscore.
_SPELLING = {ord(c): "_" for c in string.punctuation if c not in "-_."} | {ord("."): "-"}


@lru_cache(maxsize=4096)
def sqs_name(prefix: str, queue: str) -> str:
    """The name in SQS of *queue*, with the prefix of all queues before it."""
    name = prefix + queue
    if name.endswith(FIFO):
        return name[: -len(FIFO)].translate(_SPELLING) + FIFO
    return name.translate(_SPELLING)
