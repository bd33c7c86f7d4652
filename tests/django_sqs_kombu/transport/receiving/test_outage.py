"""Outage: what is said of polls that fail, at once and then seldom."""

import logging

import pytest

from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.reminders import REMINDER
from django_sqs_kombu.transport.receiving import outage
from django_sqs_kombu.transport.receiving.outage import LAST_PAUSE, MOST_TOLD, Outage

FAILURE = RequestFailed("It failed.", operation="ReceiveMessage", queue="q", code="503")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(outage, "time", clock)
    return clock


@pytest.fixture
def told(caplog):
    def told():
        return [record for record in caplog.records if record.levelno >= logging.ERROR]

    return told


def test_one_that_lasts_is_told_at_once_and_then_once_a_minute(clock, told):
    lasting = Outage("q")
    end = clock.now + 3 * REMINDER - LAST_PAUSE
    while clock.now < end:
        clock.now += lasting.failed(FAILURE)

    assert len(told()) == 2 + 2


def test_where_every_second_poll_fails_for_hours_the_log_is_not_filled(clock, told):
    """As where one of two servers behind a load balancer is down."""
    flapping = Outage("q")
    minutes = 120
    for _ in range(int(minutes * REMINDER)):
        clock.now += flapping.failed(FAILURE)
        flapping.over()

    assert minutes <= len(told()) <= minutes * MOST_TOLD


def test_one_that_comes_after_another_is_told_at_once(clock, told):
    again = Outage("q")
    again.failed(FAILURE)
    again.over()
    again.failed(FAILURE)

    assert len(told()) == 2


@pytest.mark.parametrize("text", ["It failed.", "It failed", "Status 200 with hello"])
def test_what_failed_and_what_follows_are_two_sentences(text, told):
    Outage("q").failed(RequestFailed(text, operation="ReceiveMessage", queue="q", code="503"))

    [record] = told()
    assert record.getMessage() == f"{text.removesuffix('.')}. Trying again in 1 s."
