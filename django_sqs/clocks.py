"""Clocks: which times of others to believe, where the clocks of hosts differ or are put.

A time to come that is further away than whoever wrote it meant was written by a host whose clock
was ahead.  It is brought forward, else it would hold things up for as long as that clock was off.
It does not count as over: whoever wrote it may be at work, and its clock be right meanwhile.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import QuerySet
from django.utils import timezone as times

#: How much clocks may differ; SQS refuses requests of a host whose clock is off by more.
SKEW = timedelta(minutes=15)
#: By how much local times may jump back.
HOUR = timedelta(hours=1)
#: What a server of a database says the time is, in seconds since 1970, by its vendor.
_TIMES = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP()",
}
#: The database that has no server: there is one clock.
_OF_ONE_HOST = "sqlite"


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


def moment(value: datetime) -> datetime:
    """*value* as the project has its times: aware with USE_TZ, else naive, in its time zone."""
    if settings.USE_TZ and times.is_naive(value):
        return times.make_aware(value, times.get_default_timezone())
    if not settings.USE_TZ and times.is_aware(value):
        return times.make_naive(value, times.get_default_timezone())
    return value


def after(now: datetime, span: timedelta) -> datetime:
    """The time that is *span* after *now*, as columns keep it."""
    if settings.USE_TZ:
        return now + span
    # Local times leave out an hour when clocks are put forward.
    zone = times.get_default_timezone()
    moment = times.make_aware(now, zone).astimezone(timezone.utc) + span
    return max(now + span, times.make_naive(moment, zone))


def seconds_until(value: datetime) -> float:
    """Seconds until *value*, below 0 where it has passed, also if clocks are put meanwhile."""
    there = (
        times.make_aware(value, times.get_default_timezone()) if times.is_naive(value) else value
    )
    return (there - datetime.now(timezone.utc)).total_seconds()


def seconds_since(value: datetime) -> float:
    """Seconds since *value*, which is past, as columns keep it.

    Of a local time that came twice nobody knows which it was: the later that is not to come.
    """
    passed = [-seconds_until(value.replace(fold=fold)) for fold in (0, 1)]
    return min((each for each in passed if each >= 0), default=0.0)


def bring_forward(rows: QuerySet[Any], field: str, most: timedelta) -> None:
    """Shorten times to come which are not to be believed, to *most* from now.

    That is enough for whoever wrote them, if it was a moment ago.  Hosts whose clocks are behind
    shorten none: the clock of the database's server proves them wrong.

    :param field: holds a time of at most *most* from when it was written.
    """
    own = times.now()
    # Clocks that are put back look like one that was ahead.
    skew = SKEW if settings.USE_TZ else SKEW + HOUR

    def beyond(now: datetime) -> QuerySet[Any]:
        return rows.filter(**{f"{field}__gt": now + most + skew})

    if not _proves_clocks_wrong(rows.db) or not beyond(own).exists():
        return
    latest = max(own, moment(common_time(rows.db, own)))
    beyond(latest).update(**{field: after(latest, most)})


def brought_forward(database: str, until: float, seconds: float) -> float:
    """*until*, or what replaces it if it is not to be believed, as in :func:`bring_forward`.

    :param until: in seconds since 1970, at most *seconds* from when it was written.
    """
    own = datetime.now(timezone.utc)
    most = seconds + SKEW.total_seconds()
    if until <= own.timestamp() + most or not _proves_clocks_wrong(database):
        return until
    latest = max(own, common_time(database, own)).timestamp()
    return until if until <= latest + most else latest + seconds


def _proves_clocks_wrong(database: str) -> bool:
    # Other databases have several hosts, and no clock that is known of.
    return connections[database].vendor in (*_TIMES, _OF_ONE_HOST)
