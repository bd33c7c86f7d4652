"""Relays on hosts whose clocks are wrong, or are put back or forward: each row is sent once."""

import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.utils import timezone as times

import django_sqs
from django_sqs import clocks
from django_sqs.clocks import after, bring_forward
from django_sqs.outbox import claims
from django_sqs.outbox import relay as outbox_relay
from django_sqs.outbox.backlog import backlog
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import CLOCKS_PERIOD, Relay
from django_sqs.outbox.sending import outgoing
from django_sqs.tasks.wire import delay_of

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def write(queue, *bodies, **options):
    for body in bodies:
        django_sqs.send(queue, body=body, outbox=True, **options)


@pytest.fixture
def clock(monkeypatch):
    """This host's clock: ``set(now)`` lets it stand still."""
    return SimpleNamespace(
        now=times.now, set=lambda now: monkeypatch.setattr(times, "now", lambda: now)
    )


@pytest.fixture
def local(settings, clock, monkeypatch):
    """Columns with local times, in the hour that there is twice."""
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
    clock.set(datetime(2026, 10, 25, 2, 59, 59))
    monkeypatch.setattr(clocks, "common_time", lambda database, own: own)
    return clock


@pytest.fixture
def server_says(monkeypatch):
    """Lets the clock of the database's server say something."""
    return lambda moment: monkeypatch.setattr(clocks, "common_time", lambda database, own: moment)


@pytest.mark.parametrize(
    ("field", "most"), [("claimed_until", claims.LEASE), ("try_after", claims.LONGEST_PAUSE)]
)
def test_a_clock_that_was_ahead_holds_up_rows_for_minutes(attached, bodies, clock, field, most):
    write("plain", "x")
    write("ordered.fifo", "first", "second", group_id="a")
    rows = OutboxMessage.objects.filter(body__in=["x", "first"])
    rows.update(**{field: clock.now() + 5 * HOUR})

    # Whoever wrote it may be sending them, and its clock be right by now.
    assert Relay().send_all() == 0
    for row in rows:
        assert most - MINUTE / 2 < getattr(row, field) - clock.now() < most + MINUTE / 2

    clock.set(clock.now() + most + MINUTE)
    assert Relay().send_all() == 3
    assert bodies("ordered.fifo") == ["first", "second"]


def test_a_time_within_what_clocks_may_differ_stays(attached, clock):
    until = clock.now() + 15 * MINUTE
    write("plain", "x")
    OutboxMessage.objects.update(claimed_until=until)

    assert Relay().send_all() == 0
    assert abs(OutboxMessage.objects.get().claimed_until - until) < MINUTE / 10


def test_a_host_whose_clock_is_behind_takes_no_row_of_another(clock, server_says):
    write("plain", "x")
    [queue] = claims.waiting_queues(outbox_databases()[0])
    claimed, now = claims.claim(queue), clock.now()
    server_says(datetime.now(timezone.utc) if django_settings.USE_TZ else now)

    clock.set(now - 20 * MINUTE)

    row = OutboxMessage.objects.get()
    assert claims.claim(queue) is None
    claims.believe_no_wrong_clocks(queue)
    assert OutboxMessage.objects.get().claimed_until == row.claimed_until
    assert not [*claims.set_aside(OutboxMessage.objects.filter(pk=row.pk), "why")]
    assert claims.unclaimed(OutboxMessage.objects.all()) == []
    claims.withdraw(str(row.uid), outbox_databases()[0])
    assert OutboxMessage.objects.get().state == "being sent"
    assert OutboxMessage.objects.get().claimed_by == claimed.token


def test_a_server_whose_clock_is_behind_takes_no_claim_from_anybody(clock, server_says):
    write("plain", "x")
    [queue] = claims.waiting_queues(outbox_databases()[0])
    claims.claim(queue)
    until = OutboxMessage.objects.get().claimed_until
    server_says(clock.now() - 5 * HOUR)

    claims.believe_no_wrong_clocks(queue)

    assert OutboxMessage.objects.get().claimed_until == until


def test_where_several_hosts_have_no_common_clock_every_time_is_believed(clock, monkeypatch):
    write("plain", "x")
    until = clock.now() + 5 * HOUR
    rows = OutboxMessage.objects.using(outbox_databases()[0])
    rows.update(claimed_until=until)
    monkeypatch.setattr(clocks, "_TIMES", {})
    monkeypatch.setattr(clocks, "_OF_ONE_HOST", "")

    bring_forward(rows, "claimed_until", claims.LEASE)

    assert abs(rows.get().claimed_until - until) < MINUTE / 10


def test_the_servers_clock_is_asked_only_where_a_time_is_far_away(attached, clock, server_says):
    server_says(None)
    write("plain", "free", "claimed")
    claim = {"claimed_by": uuid4(), "claimed_until": clock.now() + MINUTE}
    OutboxMessage.objects.filter(body="claimed").update(**claim)

    assert Relay().send_all() == 1


def test_times_are_looked_at_once_a_minute(attached, clock, monkeypatch):
    looks = []
    monkeypatch.setattr(claims, "believe_no_wrong_clocks", looks.append)
    write("plain", "claimed")
    OutboxMessage.objects.update(claimed_by=uuid4(), claimed_until=clock.now() + MINUTE)
    relay = Relay()

    for _ in range(3):
        relay.send_all()

    assert len(looks) == 1
    later = time.monotonic() + CLOCKS_PERIOD
    monkeypatch.setattr(outbox_relay, "time", SimpleNamespace(monotonic=lambda: later))
    relay.send_all()
    assert len(looks) == 2


def test_when_local_times_are_put_back_no_claim_is_taken(local):
    write("plain", "x")
    [queue] = claims.waiting_queues(outbox_databases()[0])
    claims.claim(queue)
    until = OutboxMessage.objects.get().claimed_until

    local.set(datetime(2026, 10, 25, 2, 0, 0))

    assert claims.claim(queue) is None
    claims.believe_no_wrong_clocks(queue)
    assert OutboxMessage.objects.get().claimed_until == until == datetime(2026, 10, 25, 3, 1, 59)


def test_when_local_times_are_put_forward_no_claim_is_taken(local):
    local.set(datetime(2026, 3, 29, 1, 59, 59))
    write("plain", "x")
    [queue] = claims.waiting_queues(outbox_databases()[0])
    claims.claim(queue)

    local.set(datetime(2026, 3, 29, 3, 0, 0))

    assert claims.claim(queue) is None
    local.set(datetime(2026, 3, 29, 3, 2, 0))
    assert claims.claim(queue) is not None


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-03-29T01:59:30", "2026-03-29T03:01:30"),
        ("2026-10-25T01:59:30", "2026-10-25T02:01:30"),
        ("2026-10-25T02:59:30", "2026-10-25T03:01:30"),
        ("2026-07-01T12:00:00", "2026-07-01T12:02:00"),
    ],
)
def test_a_local_time_to_come_is_never_earlier_than_it_was_meant(local, now, then):
    assert after(datetime.fromisoformat(now), 2 * MINUTE) == datetime.fromisoformat(then)


def test_the_servers_clock_is_compared_with_local_times(local, server_says):
    write("plain", "x")
    [queue] = claims.waiting_queues(outbox_databases()[0])
    rows = OutboxMessage.objects.filter(body="x")
    rows.update(claimed_until=datetime(2026, 7, 1, 17, 0))
    local.set(datetime(2026, 7, 1, 11, 40))
    server_says(datetime(2026, 7, 1, 10, 0, tzinfo=timezone.utc))

    claims.believe_no_wrong_clocks(queue)

    assert rows.get().claimed_until == datetime(2026, 7, 1, 12, 2)


def test_a_delay_that_a_clock_wrote_that_was_ahead_is_no_longer_than_it_was(clock):
    write("plain", "x")
    ahead = clock.now() + 5 * HOUR
    OutboxMessage.objects.update(created_at=ahead, due_at=ahead + MINUTE)

    assert outgoing(OutboxMessage.objects.get()).delay == 60


@pytest.fixture
def it_is(settings, clock, monkeypatch):
    """Lets a host in Berlin without USE_TZ have a time, in UTC."""
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"

    def it_is(*moment):
        now = datetime(*moment, tzinfo=timezone.utc)
        kind = type("Frozen", (datetime,), {"now": classmethod(lambda cls, zone=None: now)})
        monkeypatch.setattr(clocks, "datetime", kind)
        clock.set(times.make_naive(now, times.get_default_timezone()))

    return it_is


@pytest.mark.parametrize("hours", [8, 12])
@pytest.mark.parametrize("night", [(2026, 3, 28), (2026, 10, 24), (2026, 7, 1)])
def test_a_task_is_run_after_its_time_also_if_clocks_are_put_meanwhile(it_is, night, hours):
    it_is(*night, 20, 0)

    due = datetime(*night, 20, 0, tzinfo=timezone.utc) + hours * HOUR

    assert delay_of(times.make_naive(due, times.get_default_timezone())) == hours * 3600


@pytest.mark.parametrize(
    ("written", "sent", "left"),
    [
        ((2026, 7, 1, 20, 0), (2026, 7, 1, 20, 30), 90),
        ((2026, 3, 29, 0, 30), (2026, 3, 29, 1, 15), 75),
        ((2026, 10, 24, 23, 30), (2026, 10, 25, 1, 15), 15),
        # The hour that comes twice: at once, it is the whole delay in both.
        ((2026, 10, 25, 0, 30), (2026, 10, 25, 0, 30), 120),
        ((2026, 10, 25, 1, 30), (2026, 10, 25, 1, 30), 120),
    ],
)
def test_of_a_delay_is_left_what_is_also_if_clocks_were_put(it_is, written, sent, left):
    it_is(*written)
    write("plain", "x", delay=2 * HOUR)

    it_is(*sent)

    assert outgoing(OutboxMessage.objects.get()).delay == left * 60


@pytest.mark.parametrize("night", [(2026, 3, 29), (2026, 10, 25), (2026, 7, 1)])
def test_the_age_of_a_row_is_its_own_also_if_clocks_were_put(it_is, night):
    it_is(*night, 0, 59)
    write("plain", "x")

    it_is(*night, 1, 1)

    [found] = backlog(OutboxMessage.objects.get()._state.db)
    assert found.age == 120
