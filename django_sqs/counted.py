"""How many there are, in words."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Such as "1 worker" and "2 workers".

    :param noun: of one; where others follow it, as in "note of a message", they stay as they are.
    """
    first, of, rest = noun.partition(" of ")
    return f"{number} {first}{'' if number == 1 else 's'}{of}{rest}"
