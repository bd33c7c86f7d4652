"""Clocks: which times of others to believe, where the clocks of hosts differ or are put.

A time to come that is further away than whoever wrote it meant was written by a host whose clock
was ahead.  It counts as over: else what it holds up is held up for as long as that clock was off.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

#: How much clocks may differ; SQS refuses requests of a host whose clock is off by more.
SKEW = timedelta(minutes=15)


def lasts(field: str, now: datetime, most: timedelta) -> Q:
    """Rows whose *field* is a time to come, of at most *most* from when it was written."""
    return Q(**{f"{field}__gt": now, f"{field}__lte": now + most + SKEW})


def is_over(field: str, now: datetime, most: timedelta) -> Q:
    """Rows whose *field* is no such time: it has passed, is not to be believed, or is empty."""
    passed = Q(**{field: None}) | Q(**{f"{field}__lte": now})
    return passed | Q(**{f"{field}__gt": now + most + SKEW})
