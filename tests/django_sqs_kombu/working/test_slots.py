"""Slots without a database: sent by all, kept once by SQS's deduplication."""

import sys
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import pytest

from django_sqs_kombu import (
    BigMessage,
    JSONMessage,
    Message,
    MHMessage,
    RawMessage,
    Receivers,
)
from django_sqs_kombu.events import EventBridgeEvent, S3Event, SNSMessage
from django_sqs_kombu.exceptions import ConfigurationError, RequestFailed
from django_sqs_kombu.working import ticker_of
from django_sqs_kombu.working.slots import SlotTicker

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


class Clock:
    """Stands at what a test says."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(SlotTicker, "clock", lambda self: clock())
    return clock


@pytest.fixture
def sent():
    """What a registry has sent in place of SQS."""
    return []


@pytest.fixture
def registry(sent):
    registry = Receivers()
    registry.outlet = lambda registered, queue, outgoing: sent.append(outgoing)
    return registry


@dataclass
class Report:
    number: int


def register(registry, name="report.fifo", **options):
    return registry.register(name, lambda message: None, **{"every": HOUR, **options})


def tick(ticker, clock, *moments):
    for moment in moments:
        clock.now = moment
        assert ticker.tick(moment)


def test_a_new_schedule_starts_with_its_next_slot(registry, clock, sent):
    register(registry)
    clock.now = NOON + MINUTE
    ticker = ticker_of(registry.select)

    tick(ticker, clock, NOON + MINUTE, NOON + 59 * MINUTE, NOON + HOUR, NOON + HOUR + MINUTE)

    [message] = sent
    assert "2026-11-28T13:00:00+00:00" in message.body
    assert (message.group_id, message.deduplication_id) == ("schedule", "schedule-1795870800")


def test_each_process_sends_a_slot_under_the_same_id(registry, clock, sent):
    register(registry, message_class=JSONMessage)
    tickers = [ticker_of(registry.select) for _ in range(3)]

    for ticker in tickers:
        tick(ticker, clock, NOON + HOUR)

    assert len({(each.group_id, each.deduplication_id, each.body) for each in sent}) == 1
    assert len(sent) == 3


def test_what_sqs_may_have_forgotten_is_not_sent(registry, clock, sent, caplog):
    register(registry)
    ticker = ticker_of(registry.select)

    tick(ticker, clock, NOON + HOUR + timedelta(minutes=4, seconds=1))
    assert sent == []
    assert "could not be sent within 0:04:00" in caplog.text

    tick(ticker, clock, NOON + 2 * HOUR + 4 * MINUTE)
    assert len(sent) == 1


def test_a_shorter_catch_up_is_heeded(registry, clock, sent):
    register(registry, catch_up=2 * MINUTE)
    ticker = ticker_of(registry.select)

    tick(ticker, clock, NOON + HOUR + 3 * MINUTE)

    assert sent == []


@pytest.mark.parametrize("back", [timedelta(seconds=1), 2 * HOUR, timedelta(days=2)])
def test_a_clock_that_is_put_back_sends_no_slot_again(registry, clock, sent, back):
    register(registry)
    ticker = ticker_of(registry.select)
    tick(ticker, clock, NOON + HOUR)

    tick(ticker, clock, NOON + HOUR - back, NOON + HOUR, NOON + HOUR + MINUTE)

    assert len({each.deduplication_id for each in sent}) == len(sent) or back > HOUR


def test_a_clock_that_was_far_ahead_holds_up_no_slot(registry, clock, sent):
    register(registry)
    clock.now = NOON + timedelta(days=1)
    ticker = ticker_of(registry.select)
    tick(ticker, clock, NOON + timedelta(days=1, hours=1))

    tick(ticker, clock, NOON, NOON + HOUR)

    assert [each.body for each in sent if "11-28T13:00" in each.body]


def test_a_send_that_fails_is_tried_again_and_harms_no_other(
    registry, clock, sent, monkeypatch, caplog
):
    refused = register(registry, "refused.fifo")
    register(registry)
    ticker = ticker_of(registry.select)
    clock.now = NOON + HOUR
    with monkeypatch.context() as patch:
        patch.setattr(refused, "send_slot", failing)
        assert not ticker.tick(clock.now)
    assert len(sent) == 1
    assert "A slot of refused.fifo could not be sent yet" in caplog.text

    tick(ticker, clock, NOON + HOUR + MINUTE)

    assert len(sent) == 2


def test_a_send_in_which_something_exits_harms_no_other(registry, clock, sent, monkeypatch, caplog):
    exits = register(registry, "exits.fifo")
    register(registry)
    ticker = ticker_of(registry.select)
    clock.now = NOON + HOUR
    monkeypatch.setattr(exits, "send_slot", sys.exit)

    assert not ticker.ticked(clock.now)

    assert len(sent) == 1
    assert "A slot of exits.fifo is not sent" in caplog.text


def failing(slot):
    raise RequestFailed("down", operation="SendMessage", queue="refused.fifo", code="InternalError")


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("report", {}, "Name the queue 'report.fifo'"),
        ("report.fifo", {"catch_up": HOUR}, "catch_up=1:00:00 is more than 0:04:00"),
        ("report.fifo", {"every": 3600}, "Queue 'report.fifo': every=3600 is not a timedelta"),
        ("report.fifo", {"cron": 5, "every": None}, "cron=5 is not a str"),
        ("report.fifo", {"catch_up": 60}, "catch_up=60 is not a timedelta"),
        ("report.fifo", {"every": None, "catch_up": HOUR}, "need a schedule"),
    ],
)
def test_what_cannot_be_sent_once_is_refused_at_once(registry, name, options, says):
    with pytest.raises(ConfigurationError) as raised:
        register(registry, name, **options)

    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": Report}, "model="),
        ({"message_class": S3Event}, "(S3Event)"),
        ({"message_class": EventBridgeEvent}, "(EventBridgeEvent)"),
        ({"message_class": BigMessage}, "(BigMessage)"),
    ],
)
def test_a_schedule_whose_message_cannot_be_made_is_refused_at_once(registry, options, says):
    with pytest.raises(ConfigurationError, match=r"which the .* does not accept") as raised:
        register(registry, **options)

    assert says in str(raised.value)


@pytest.mark.parametrize("cls", [RawMessage, JSONMessage, MHMessage, Message, SNSMessage])
def test_what_carries_text_carries_a_slot(registry, cls):
    assert register(registry, message_class=cls).schedule is not None


def test_cron_is_in_utc_unless_it_says_otherwise(registry):
    queue = register(registry, every=None, cron="0 3 * * *")

    assert queue.schedule.next(NOON) == NOON + 15 * HOUR


def test_a_consumer_sends_and_receives_slots(receivers, start, eventually):
    got = []
    receivers.register("often.fifo", got.append, every=timedelta(seconds=1))

    start(receivers)

    eventually(lambda: got)
    assert datetime.fromisoformat(got[0].get_body()).microsecond == 0


def test_a_consumer_without_schedules_has_no_thread_for_them(receivers, start, eventually):
    got = []
    receivers.register("plain", got.append)
    receivers.send("plain", body="1")

    start(receivers)

    eventually(lambda: got)
    assert "sqs-schedules" not in {thread.name for thread in threading.enumerate()}
