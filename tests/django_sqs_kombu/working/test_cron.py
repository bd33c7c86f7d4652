"""Slots of a cron expression are the same from wherever they are looked for, whatever clocks do."""

from datetime import datetime, timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.working import Schedule
from django_sqs_kombu.working.cron import Cron

UTC = timezone.utc
MINUTE = timedelta(minutes=1)
#: With changes of an hour, of half an hour, of a day, at midnight, and with none.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "UTC",
)
FROM = datetime(2026, 1, 1, tzinfo=UTC)
#: Samoa went without the 30 December 2011.
SKIPPED_DAY = datetime(2011, 12, 30, 10, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@cache
def changes(zone):
    """When the clocks of *zone* are put, in two years to the hour, and once by a day."""
    hours = [FROM + timedelta(hours=hour) for hour in range(2 * 365 * 24)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    pairs = zip(hours[1:], offsets, offsets[1:], strict=False)
    return [SKIPPED_DAY, *(hour for hour, before, after in pairs if before != after)]


@st.composite
def around_a_change(draw):
    zone = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from(changes(zone)))
    return zone, change + draw(st.integers(-300, 300)) * MINUTE


minutes = st.sampled_from(["*", "*/20", "*/7", "0", "30", "15,45", "0-59/25", "59"])
hours = st.sampled_from(["*", "*/2", "0", "1", "2", "3", "0-3", "2,3", "1-23/2", "23"])
days = st.sampled_from(["* * *", "* * *", "1 * *", "L * *", "* * 0", "* 10 0L", "13 * 5"])
expressions = st.builds(" ".join, st.tuples(minutes, hours, days))


@settings(max_examples=50, deadline=None)
@given(expressions, around_a_change(), st.integers(1, 2_000))
def test_the_latest_slot_is_the_greatest_of_those_to_come_before(expression, place, ago):
    zone, now = place
    cron = Cron(expression, ZoneInfo(zone))
    latest = cron.latest(now)

    slot = latest
    for _ in range(2):
        following = cron.next(slot)
        assert following > slot
        # Between two slots nothing else is the latest, and nothing else the next.
        for moment in (slot, slot + (following - slot) / 2, following - MINUTE / 60):
            assert cron.latest(moment) == slot
            assert cron.next(moment) == following
        assert cron.latest(following) == following
        slot = following

    start = latest - ago * MINUTE
    seen = []
    while (start := cron.next(start)) <= now:
        seen.append(start)
        if len(seen) > 12:
            break
    else:
        assert seen[-1] == latest
    assert sorted(set(seen)) == seen


@settings(max_examples=40, deadline=None)
@given(minutes, hours, around_a_change())
def test_each_local_time_has_the_slots_that_were_promised(minute, hour, place):
    zone, now = place
    cron = Cron(f"{minute} {hour} * * *", ZoneInfo(zone))
    own = Cron(f"{minute} {hour} * * *", ZoneInfo("UTC"))
    slot = cron.next(now - timedelta(hours=6))

    for _ in range(5):
        local = slot.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        says = own.latest(local.replace(tzinfo=UTC)).replace(tzinfo=None)
        if minute.startswith("*") or hour.startswith("*"):
            assert local == says
        else:
            # It is one of the times itself, the first time it comes, or the end of a gap.
            gap = (slot - MINUTE).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            assert local.fold == 0 or says != local
            assert local == says or gap < says < local
        slot = cron.next(slot)


#: Clocks in Berlin are put back on 25 October 2026, at 01:00 UTC.
@pytest.mark.parametrize(
    ("cron", "now", "latest", "following"),
    [
        ("30 2 * * *", "2026-10-25T00:29", "2026-10-24T00:30", "2026-10-25T00:30"),
        ("30 2 * * *", "2026-10-25T01:05", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("30 2 * * *", "2026-10-25T01:35", "2026-10-25T00:30", "2026-10-26T01:30"),
        ("15,45 2 * * *", "2026-10-25T01:05", "2026-10-25T00:45", "2026-10-26T01:15"),
        ("15,45 2 * * *", "2026-10-25T01:20", "2026-10-25T00:45", "2026-10-26T01:15"),
        ("*/20 2 * * *", "2026-10-25T01:05", "2026-10-25T01:00", "2026-10-25T01:20"),
        ("30 2 28 3 *", "2027-03-28T01:00", "2027-03-28T01:00", "2028-03-28T00:30"),
    ],
)
def test_a_slot_that_was_missed_in_the_repeated_hour_is_known(cron, now, latest, following):
    schedule = Schedule(cron=cron, timezone="Europe/Berlin")

    assert schedule.latest(at(now)) == at(latest)
    assert schedule.next(at(now)) == at(following)


def test_where_clocks_are_put_back_by_half_an_hour_no_slot_is_left_out():
    schedule = Schedule(cron="*/20 2 * * *", timezone="Australia/Lord_Howe")

    slot, seen = at("2027-04-03T12:00"), []
    while (slot := schedule.next(slot)) < at("2027-04-04T12:00"):
        seen.append(f"{slot:%H:%M}")

    assert seen == ["15:30", "15:50", "16:10"]


def test_what_comes_within_gaps_alone_never_comes_due():
    with pytest.raises(ConfigurationError, match="never comes due"):
        Schedule(cron="*/5 2 * 3 0L", timezone="Europe/Berlin")
