"""Clocks: which times of others to believe, where the clocks of hosts differ or are put.

A time to come that is further away than whoever wrote it meant was written by a host whose clock
was ahead.  It counts as over: else what it holds up is held up for as long as that clock was off.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from django.db import connections
from django.db.models import Q

#: How much clocks may differ; SQS refuses requests of a host whose clock is off by more.
SKEW = timedelta(minutes=15)
#: What a server of a database says the time is, in seconds since 1970, by its vendor.
_TIMES = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP()",
}


def common_time(database: str, own: datetime) -> datetime:
    """The time by the clock of a database's server, which is one for all hosts.

    :param database: the alias.
    :param own: the time by this host's clock; returned where there is no server.
    """
    sql = _TIMES.get(connections[database].vendor)
    if sql is None:
        return own
    with connections[database].cursor() as cursor:
        cursor.execute(sql)
        return datetime.fromtimestamp(float(cursor.fetchone()[0]), timezone.utc)


def lasts(field: str, now: datetime, most: timedelta) -> Q:
    """Rows whose *field* is a time to come, of at most *most* from when it was written."""
    return Q(**{f"{field}__gt": now, f"{field}__lte": now + most + SKEW})


def is_over(field: str, now: datetime, most: timedelta) -> Q:
    """Rows whose *field* is no such time: it has passed, is not to be believed, or is empty."""
    passed = Q(**{field: None}) | Q(**{f"{field}__lte": now})
    return passed | Q(**{f"{field}__gt": now + most + SKEW})
