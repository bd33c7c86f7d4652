"""The times of a schedule: they follow from it alone, on every host alike."""

from datetime import datetime, timedelta, timezone

import pytest

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.working import Schedule

UTC = timezone.utc
HOUR = timedelta(hours=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(schedule, start, count):
    found = []
    for _ in range(count):
        start = schedule.next(start)
        found.append(f"{start:%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("now", "latest", "following"),
    [
        ("2026-11-28T10:00:00", "2026-11-28T10:00:00", "2026-11-28T11:00:00"),
        ("2026-11-28T10:00:00.000001", "2026-11-28T10:00:00", "2026-11-28T11:00:00"),
        ("2026-11-28T10:59:59.999999", "2026-11-28T10:00:00", "2026-11-28T11:00:00"),
    ],
)
@pytest.mark.parametrize("schedule", [{"every": HOUR}, {"cron": "0 * * * *", "timezone": "UTC"}])
def test_slots_are_on_the_hour(schedule, now, latest, following):
    schedule = Schedule(**schedule)

    assert schedule.latest(at(now)) == at(latest)
    assert schedule.next(at(now)) == at(following)


#: Clocks in Berlin are put back on 25 October 2026 and forward on 28 March 2027, at 01:00 UTC.
@pytest.mark.parametrize(
    ("cron", "start", "expected"),
    [
        ("30 2 * * *", "2026-10-24T12:00", ["25 00:30", "26 01:30", "27 01:30"]),
        ("30 2 * * *", "2027-03-27T12:00", ["28 01:00", "29 00:30", "30 00:30"]),
        ("0 3 * * *", "2026-10-24T12:00", ["25 02:00", "26 02:00", "27 02:00"]),
        ("*/30 * * * *", "2026-10-24T23:59", ["25 00:00", "25 00:30", "25 01:00", "25 01:30"]),
        ("*/30 * * * *", "2027-03-28T00:29", ["28 00:30", "28 01:00", "28 01:30", "28 02:00"]),
    ],
)
def test_daylight_saving_neither_skips_a_slot_nor_gives_it_twice(cron, start, expected):
    schedule = Schedule(cron=cron, timezone="Europe/Berlin")

    assert slots(schedule, at(start), len(expected)) == expected


@pytest.mark.parametrize("day", ["2026-10-25", "2027-03-28"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * *", "0 3 * * *", "5 0-4 * * *"])
def test_backwards_and_forwards_are_the_same_slots(day, cron):
    schedule = Schedule(cron=cron, timezone="Europe/Berlin")
    now = at(f"{day}T00:00") - timedelta(hours=3)
    end = now + timedelta(hours=10)
    forwards, backwards = set(), set()

    moment = now
    while (moment := schedule.next(moment)) <= end:
        forwards.add(moment)
    for minute in range(1, 601):
        latest = schedule.latest(now + timedelta(minutes=minute))
        if latest > now:
            backwards.add(latest)

    assert forwards == backwards
    assert forwards


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "either every= or cron="),
        ({"every": HOUR, "cron": "* * * * *"}, "either every= or cron="),
        ({"every": timedelta(seconds=0.5)}, "whole seconds"),
        ({"every": timedelta(0)}, "whole seconds"),
        ({"every": timedelta(seconds=1.5)}, "whole seconds"),
        ({"every": HOUR, "timezone": "UTC"}, "belongs to cron="),
        ({"every": HOUR, "catch_up": -HOUR}, "is negative"),
        ({"every": timedelta.max - timedelta.max % HOUR}, "more than 100 years"),
        ({"every": HOUR, "catch_up": timedelta.max}, "more than 100 years"),
        ({"cron": "61 * * * *"}, "cron='61"),
        ({"cron": "0 0 30 2 *"}, "cron='0 0 30 2"),
        ({"cron": "hourly"}, "cron='hourly'"),
        ({"cron": "0 0 * * *", "timezone": "Mars/Base"}, "timezone='Mars/Base'"),
    ],
)
def test_what_says_no_time_is_refused(options, says):
    with pytest.raises(ConfigurationError, match=says.replace("*", r"\*")):
        Schedule(**options)
