"""Margins: how long before the end of a lease it is renewed."""

from __future__ import annotations

from functools import lru_cache

#: The seconds before a lease ends in which it can still be renewed: a third of the timeout,
#: or more where that leaves less than a request that hangs and another one need.
MARGIN_SHARE, SHORTEST_MARGIN, LARGEST_MARGIN_SHARE = 1 / 3, 20.0, 1 / 2


@lru_cache
def lasts(seconds: float) -> float:
    """Seconds after which a lease of so many *seconds* is to be renewed."""
    margin = max(seconds * MARGIN_SHARE, SHORTEST_MARGIN)
    return seconds - min(margin, seconds * LARGEST_MARGIN_SHARE)
