"""A router that fails with its database, or a close that fails, ends no thread beside receivers."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connections

import django_sqs
from django_sqs.failures import burying
from django_sqs.monitor import recorder as recorders
from django_sqs.schedules import ticker as tickers
from django_sqs.wake import calls
from django_sqs.web.site_receiver import SiteReceiver

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)


class Asking:
    def db_for_write(self, model, **hints):
        raise OperationalError("the table of tenants cannot be read")


@pytest.fixture
def recorder(monkeypatch):
    """One that looks once."""
    beside = SimpleNamespace(stats=SimpleNamespace(queues=[]), threads=1, running=list)
    app = SimpleNamespace(record_period=10.0)
    monkeypatch.setattr(recorders, "apps", SimpleNamespace(get_app_config=lambda label: app))
    found = recorders.Recorder(beside)
    found._stopping.set()
    return found


def not_closed():
    raise OperationalError("the server has gone away")


@pytest.fixture
def away(monkeypatch):
    """No router says where a model is."""
    monkeypatch.setattr("django.db.router.routers", [Asking()])


def missing(*args, **kwargs):
    raise OperationalError("no such table: tenants")


def test_schedules_go_on(away, caplog):
    django_sqs.register("report", lambda message: None, every=timedelta(hours=1))

    assert not tickers.Ticker().ticked(NOON)

    assert "Schedules wait for their database: the table of tenants" in caplog.text


def test_figures_are_recorded_later(recorder, away, caplog):
    recorder._run()

    assert "cannot be recorded, trying again: the table of tenants" in caplog.text


def test_dead_letters_are_taken_out_of_sqs_later(monkeypatch, away, caplog):
    monkeypatch.setattr(burying, "targets", missing)

    burying._bury_all([], lambda: False)

    assert "trying again: no such table: tenants. Run manage.py migrate" in caplog.text


def test_a_connection_that_cannot_be_closed_ends_none_of_them(monkeypatch, recorder, caplog):
    monkeypatch.setattr(burying, "targets", lambda queues: [])
    monkeypatch.setattr(connections, "close_all", not_closed)

    recorder._run()
    burying._bury_all([], lambda: False)
    tickers.Ticker().ticked(NOON)

    assert caplog.text.count("the server has gone away") == 3


def test_nor_does_a_site_wait_for_it_at_its_stop(monkeypatch):
    site = SiteReceiver()
    site._begin.set()
    site._stopping.set()
    monkeypatch.setattr(connections, "close_all", not_closed)

    site._receive()

    assert site._over.is_set()


def test_nor_what_hears_wake_up_calls(monkeypatch, caplog):
    heard = []

    def channel_of(spec):
        heard.append(spec)
        if len(heard) > 1:
            listener._stopping.set()
        raise OperationalError("the channel is down")

    monkeypatch.setattr(calls, "channel_of", channel_of)
    monkeypatch.setattr(calls, "close_old_connections", not_closed)
    monkeypatch.setattr(calls, "RETRY_PAUSE", 0.01)
    listener = calls.Listener({}, print, print)

    listener._run()

    assert len(heard) == 2
    assert "Wake-up calls cannot be received, trying again" in caplog.text
