"""Slots and their rows: sent once, caught up with once, and not before there was a schedule."""

from datetime import datetime, timedelta, timezone

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections

import django_sqs
from django_sqs.clocks import common_time
from django_sqs.message import JSONMessage, ModelInstanceMessage
from django_sqs.outbox.models import OutboxMessage
from django_sqs.schedules import firing
from django_sqs.schedules.firing import KEPT, LAST, database, disown, forget, pause, resume, seconds
from django_sqs.schedules.models import KnownSchedule, Slot
from django_sqs.schedules.ticker import SWEEP, Ticker
from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.working import ticking

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


def register(name="report", **options):
    return django_sqs.register(name, lambda message: None, **{"every": HOUR, **options})


def sent(name="report"):
    """The slots whose messages are in the outbox."""
    rows = OutboxMessage.objects.using(database()).filter(queue_name=name).order_by("pk")
    return [row.text for row in rows]


def tick(*moments, ticker=None):
    ticker = ticker or Ticker()
    for moment in moments:
        assert ticker.tick(moment)
    return ticker


def known_since(moment, name="report"):
    """A ticker that has known the schedules since then."""
    return tick(moment)


def test_a_new_schedule_starts_with_its_next_slot():
    register()
    ticker = tick(NOON + timedelta(minutes=10), NOON + timedelta(minutes=59))
    assert sent() == []

    tick(NOON + HOUR, NOON + HOUR + timedelta(seconds=1), ticker=ticker)

    assert sent() == ["2026-11-28T13:00:00+00:00"]


def test_a_schedule_whose_row_was_deleted_is_sent_at_its_next_slot_nevertheless():
    register()
    ticker = tick(NOON + timedelta(minutes=1), NOON + timedelta(minutes=59))

    KnownSchedule.objects.using(database()).all().delete()
    tick(NOON + HOUR, ticker=ticker)

    assert sent() == ["2026-11-28T13:00:00+00:00"]
    assert KnownSchedule.objects.using(database()).count() == 1


def test_a_row_that_was_deleted_is_there_again_after_a_sweep():
    register(every=timedelta(days=1))
    ticker = tick(NOON)
    KnownSchedule.objects.using(database()).all().delete()

    tick(NOON + SWEEP + timedelta(seconds=1), ticker=ticker)

    assert KnownSchedule.objects.using(database()).count() == 1
    assert sent() == []


def test_a_host_whose_clock_is_ahead_holds_up_no_new_schedule_of_the_others():
    register()
    tick(NOON + timedelta(days=1, minutes=1))

    late = tick(NOON + timedelta(minutes=1), NOON + timedelta(minutes=59))
    tick(NOON + HOUR, ticker=late)

    assert sent() == ["2026-11-28T13:00:00+00:00"]


def test_a_host_whose_clock_is_ahead_resumes_for_all():
    register()
    ticker = tick(NOON + timedelta(minutes=1), NOON + timedelta(minutes=2))
    pause("report")
    tick(NOON + HOUR, NOON + HOUR + timedelta(minutes=59), ticker=ticker)

    resume("report", NOON + timedelta(days=1))
    tick(NOON + 2 * HOUR, ticker=ticker)

    assert sent() == ["2026-11-28T14:00:00+00:00"]


def test_of_many_workers_one_sends_a_slot():
    register()
    tickers = [tick(NOON + timedelta(minutes=1)) for _ in range(5)]

    for ticker in (*tickers, Ticker()):
        tick(NOON + HOUR, ticker=ticker)

    assert len(sent()) == 1
    assert Slot.objects.using(database()).count() == 1


def test_of_the_missed_slots_the_last_is_sent_where_it_is_not_too_old():
    register(every=timedelta(minutes=10), catch_up=timedelta(minutes=5))
    tick(NOON + timedelta(minutes=1))

    tick(NOON + timedelta(minutes=54))
    tick(NOON + timedelta(minutes=66))

    assert sent() == ["2026-11-28T12:50:00+00:00"]


@pytest.fixture
def no_server(monkeypatch):
    """The database has no clock of its own, or one that is put as the test pretends."""
    monkeypatch.setattr(firing, "common_time", lambda database, own: own)


@pytest.mark.usefixtures("no_server")
def test_a_clock_that_jumps_sends_no_slot_twice_that_has_come_and_holds_up_none(monkeypatch):
    register()
    ticker = tick(NOON + timedelta(minutes=1))

    tick(
        NOON + HOUR,
        # A day ahead, and back.
        NOON + timedelta(hours=24),
        NOON + HOUR + timedelta(minutes=1),
        NOON - HOUR,
        NOON + 2 * HOUR,
        ticker=ticker,
    )
    later = ticker.steady() + 22 * HOUR.total_seconds()
    monkeypatch.setattr(ticker, "steady", lambda: later)
    tick(NOON + timedelta(hours=24), ticker=ticker)

    assert [text[:16] for text in sent()] == [
        "2026-11-28T13:00",
        "2026-11-29T12:00",
        "2026-11-28T14:00",
        "2026-11-29T12:00",
    ], "the last is sent again, since it was sent a day early"


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(
    "options",
    [{"every": 12 * HOUR}, {"every": None, "cron": "0 12 * * *", "timezone": "UTC"}],
    ids=["every", "cron"],
)
def test_a_clock_that_is_put_back_by_a_day_and_forth_sends_no_slot_twice(options, monkeypatch):
    register(**options)
    tomorrow = NOON + 24 * HOUR
    ticker = tick(NOON + MINUTE, tomorrow, tomorrow + MINUTE)
    assert sent() == [tomorrow.isoformat()]

    tick(NOON + 2 * MINUTE, ticker=ticker)
    assert not Slot.objects.using(database()).exists(), "its row looks like one of a wrong clock"
    later = ticker.steady() + 180
    monkeypatch.setattr(ticker, "steady", lambda: later)
    tick(tomorrow + 3 * MINUTE, tomorrow + 4 * MINUTE, ticker=ticker)

    assert sent() == [tomorrow.isoformat()]


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("days", [1, 60])
def test_a_clock_that_was_days_ahead_sends_nothing_again_and_takes_no_slot_to_come(days, caplog):
    register(every=24 * HOUR, catch_up=12 * HOUR)
    midnight = NOON + 12 * HOUR
    ticker = tick(NOON, midnight, midnight + HOUR)
    assert sent() == ["2026-11-29T00:00:00+00:00"]

    ahead = midnight + timedelta(days=days)
    tick(ahead + 2 * HOUR, midnight + 2 * HOUR, ticker=ticker)
    assert len(sent()) == 2, "what was sent before was forgotten"
    assert "still to come" in caplog.text
    # And one that starts now.
    tick(midnight + 3 * HOUR)
    tick(ahead - HOUR, ahead + timedelta(seconds=1), ahead + HOUR, ticker=ticker)

    assert sent()[-1] == ahead.isoformat()
    assert sent().count(ahead.isoformat()) == 2
    assert sent().count(midnight.isoformat()) == 1


@pytest.mark.usefixtures("no_server")
def test_a_clock_that_is_ahead_by_less_than_an_hour_sends_a_slot_once():
    register(every=24 * HOUR)
    midnight = NOON + 12 * HOUR
    ticker, ahead = tick(NOON), tick(NOON)
    tick(midnight, ticker=ahead)

    tick(midnight - 50 * MINUTE, midnight - MINUTE, midnight, ticker=ticker)

    assert sent() == [midnight.isoformat()]


def test_where_the_database_has_a_clock_no_host_deletes_rows_by_its_own(monkeypatch):
    register()
    slots = Slot.objects.using(database())
    for number in range(LAST + 2):
        slots.create(name="report", slot=seconds(NOON - number * HOUR))
    monkeypatch.setattr(firing, "common_time", lambda database, own: NOON)

    forget(NOON + 2 * KEPT)
    disown(NOON - 5 * HOUR)

    assert slots.count() == LAST + 2
    monkeypatch.setattr(firing, "common_time", lambda database, own: own)
    disown(NOON - 5 * HOUR)
    assert slots.count() == LAST + 2 - 4, "those that are an hour early count"


def test_the_time_of_a_database_is_a_time_now():
    own = datetime.now(timezone.utc)

    assert abs(common_time(database(), own) - own) < timedelta(minutes=1)


def test_a_message_that_cannot_be_written_leaves_no_row_and_harms_no_other(monkeypatch, caplog):
    refused, _ = register("refused"), register("report")
    ticker = tick(NOON + timedelta(minutes=1))
    with monkeypatch.context() as patch:
        patch.setattr(type(refused), "send", _failing_for("refused", type(refused).send))

        assert not ticker.tick(NOON + HOUR)

    assert (sent("refused"), len(sent("report"))) == ([], 1)
    assert [slot.name for slot in Slot.objects.using(database())] == ["report"]
    assert "slot of refused is not sent" in caplog.text
    assert ticker.tick(NOON + HOUR + timedelta(seconds=1))
    assert (len(sent("refused")), len(sent("report"))) == (1, 1)


def test_a_time_that_cannot_be_told_harms_no_other_schedule(monkeypatch, caplog):
    broken = register("timeless").schedule
    register("report")
    ticker = tick(NOON + timedelta(minutes=1))
    latest = type(broken).latest

    def failing(self, now):
        if self is broken:
            raise OverflowError("date value out of range")
        return latest(self, now)

    monkeypatch.setattr(type(broken), "latest", failing)

    assert not ticker.tick(NOON + HOUR)
    assert len(sent("report")) == 1
    assert "timeless" in caplog.text


class Counted(Ticker):
    """Its ticks do nothing."""

    ticks = 0

    def tick(self, now):
        self.ticks += 1
        return True


def test_one_queue_that_fails_makes_no_other_late():
    register(every=timedelta(seconds=1))
    moment = datetime.now(timezone.utc)

    pauses = [Ticker().pause(moment, failures) for failures in (1, 5, 50)]

    assert all(each <= 1.0 for each in pauses)


def test_a_slot_that_comes_while_a_tick_runs_is_looked_at_at_once():
    register(every=timedelta(hours=1))
    began = datetime.now(timezone.utc)
    before = began - (began - NOON) % HOUR - timedelta(seconds=1)

    # The tick began a second before the hour, and ended after it.
    assert Ticker().pause(before, 0) == ticking.SHORTEST


def test_a_next_time_that_cannot_be_told_does_not_end_the_thread(monkeypatch, eventually):
    schedule = register().schedule

    def failing(self, now):
        raise OverflowError("date value out of range")

    monkeypatch.setattr(type(schedule), "next", failing)
    monkeypatch.setattr(ticking, "LAST_PAUSE", 0.01)

    ticker = Counted()
    ticker.start()
    try:
        eventually(lambda: ticker.ticks > 2)
    finally:
        ticker.stop()


def test_a_message_in_whose_making_something_exits_harms_no_other(monkeypatch, caplog):
    exits, _ = register("exits"), register("report")
    ticker = tick(NOON + timedelta(minutes=1))
    send = _failing_for("exits", type(exits).send, SystemExit)
    monkeypatch.setattr(type(exits), "send", send)

    # Not ticked(), which closes the connection, and with it the test's transaction.
    assert not ticker.tick(NOON + HOUR)

    assert (sent("exits"), len(sent("report"))) == ([], 1)
    assert "slot of exits is not sent" in caplog.text


def _failing_for(name, send, error=ValueError):
    def failing(self, *args, **options):
        if self.name == name:
            raise error("no")
        return send(self, *args, **options)

    return failing


def test_another_definition_starts_with_its_next_slot_and_shares_what_was_sent():
    register()
    old = tick(NOON + timedelta(minutes=1))
    tick(NOON + HOUR, ticker=old)
    django_sqs.queues.pop("report")
    register(every=timedelta(minutes=30))
    new = tick(NOON + HOUR + timedelta(minutes=20))

    tick(NOON + HOUR + timedelta(minutes=30), NOON + 2 * HOUR, ticker=new)

    assert [text[11:16] for text in sent()] == ["13:00", "13:30", "14:00"]


def test_a_mapping_has_the_slot_by_its_name():
    register(message_class=JSONMessage)
    tick(NOON + HOUR, ticker=tick(NOON + timedelta(minutes=1)))

    [text] = sent()
    assert "2026-11-28T13:00:00+00:00" in text
    assert "slot" in text


def test_a_fifo_queue_is_told_which_slot_it_is():
    register("report.fifo")
    tick(NOON + HOUR, ticker=tick(NOON + timedelta(minutes=1)))

    [row] = OutboxMessage.objects.using(database())
    assert (row.group_id, row.deduplication_id) == ("schedule", "schedule-1795870800")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"message_class": ModelInstanceMessage, "every": HOUR}, "no row to send"),
        ({"timezone": "UTC"}, "need a schedule"),
        ({"catch_up": HOUR}, "need a schedule"),
        ({"every": timedelta(0)}, "Queue 'report': every="),
    ],
)
def test_what_cannot_work_is_refused_at_once(options, says):
    with pytest.raises(ConfigurationError, match=says):
        django_sqs.register("report", lambda message: None, **options)


@pytest.mark.usefixtures("no_server")
def test_rows_are_kept_for_a_while():
    register()
    slots = Slot.objects.using(database())
    ages = [KEPT + number * HOUR for number in range(-LAST, 3)]
    for age in ages:
        slots.create(name="report", slot=seconds(NOON - age))

    forget(NOON)

    kept = [NOON - age for age in ages if age <= KEPT]
    assert [row.time for row in slots.order_by("-slot")] == kept
    forget(NOON + 2 * KEPT)
    assert [row.time for row in slots.order_by("-slot")] == kept[:LAST], "the last are shown"


def test_the_command_lists_runs_pauses_and_resumes(capsys):
    register()
    ticker = tick(NOON + timedelta(minutes=1))
    tick(NOON + HOUR, ticker=ticker)

    call_command("sqs_schedules")
    assert "every 1:00:00" in capsys.readouterr().out
    call_command("sqs_schedules", run="report")
    assert len(sent()) == 2
    call_command("sqs_schedules", pause="report")
    tick(NOON + 2 * HOUR, ticker=ticker)
    assert len(sent()) == 2
    call_command("sqs_schedules", format="json")
    assert '"paused": true' in capsys.readouterr().out
    call_command("sqs_schedules", resume="report")
    assert not KnownSchedule.objects.using(database()).filter(paused=True).exists()
    with pytest.raises(CommandError, match="No queue 'nowhere'"):
        call_command("sqs_schedules", run="nowhere")
    with pytest.raises(CommandError, match=r"scheduled: .*report.*\)\. Did you mean 'report'\?"):
        call_command("sqs_schedules", pause="reprot")


def test_a_schedule_without_its_apps_is_an_error(settings):
    register()
    gone = ("django_sqs.schedules", "django_sqs.outbox")
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in gone]

    found = [each for each in run_checks() if each.obj == "report" and "schedule" in each.msg]

    assert [each.id for each in found] == ["django_sqs.E004"] * 2
    assert [app in each.hint for app, each in zip(gone, found, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("name", "catch_up", "missing"),
    [
        ("report.fifo", None, []),
        ("report.fifo", timedelta(minutes=4), []),
        ("report.fifo", HOUR, ["django_sqs.schedules"]),
        ("report", None, ["django_sqs.schedules"]),
    ],
)
def test_without_the_app_a_fifo_queue_needs_none(settings, name, catch_up, missing):
    queue = register(name, catch_up=catch_up)
    assert not queue.sends_slots
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django_sqs.schedules"
    ]

    found = [each for each in run_checks() if each.obj == name and each.id == "django_sqs.E004"]

    assert [each.msg.rpartition(" ")[2].rstrip(".") for each in found] == missing
    assert queue.sends_slots == name.endswith(".fifo")
    assert all("or use a FIFO queue" in each.hint for each in found)


@pytest.mark.parametrize(
    ("vendor", "found"),
    [("mysql", [("django_sqs.W027", "report")]), ("postgresql", []), ("sqlite", [])],
)
def test_names_that_the_database_takes_for_the_same_are_told(monkeypatch, vendor, found):
    monkeypatch.setattr(connections[database()], "vendor", vendor, raising=False)
    for name in ("Report", "report", "reports"):
        register(name)

    told = [each for each in run_checks(tags=["django_sqs"]) if each.id == "django_sqs.W027"]

    assert [(each.id, each.obj) for each in told] == found
