"""A driver that finds its connection closed says so in a line: no fault of ours has a traceback."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from django.db import InterfaceError

import django_sqs
from django_sqs.monitor import recorder as recorders
from django_sqs.schedules import ticker as tickers

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)


def closed(*args, **kwargs):
    raise InterfaceError("connection already closed")


def test_schedules_wait_for_their_database(monkeypatch, caplog):
    django_sqs.register("report", lambda message: None, every=timedelta(hours=1))
    ticker = tickers.Ticker()
    ticker.ticked(NOON)
    monkeypatch.setattr(tickers, "fire", closed)

    assert not ticker.ticked(NOON + timedelta(hours=1))

    [record] = caplog.records
    assert record.getMessage() == "Schedules wait for their database: connection already closed"
    assert record.exc_info is None


def test_figures_are_recorded_later(monkeypatch, caplog):
    beside = SimpleNamespace(stats=SimpleNamespace(queues=[]), threads=1, running=list)
    app = SimpleNamespace(record_period=10.0)
    monkeypatch.setattr(recorders, "apps", SimpleNamespace(get_app_config=lambda label: app))
    recorder = recorders.Recorder(beside)
    monkeypatch.setattr(recorder, "record", closed)
    recorder._stopping.set()

    recorder._run()

    [record] = caplog.records
    assert record.getMessage().endswith("trying again: connection already closed")
    assert record.exc_info is None
