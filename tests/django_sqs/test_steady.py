"""Routers that go by the request or the message, of tables that workers look into by themselves."""

import threading
from contextvars import ContextVar

import pytest
from django.db import connections
from django.test import override_settings

from django_sqs.steady import _Answers, steady_alias_of
from django_sqs.tickets.models import UsedTicket

#: What a middleware of the project sets.
database = ContextVar("database", default="default")


class ByTenant:
    def db_for_write(self, model, **hints):
        return database.get()

    def db_for_read(self, model, **hints):
        return database.get()


@pytest.fixture
def by_tenant(monkeypatch):
    """A router that knows the tenant of the request, and a second database."""
    monkeypatch.setitem(connections.settings, "acme", connections.settings["default"])
    monkeypatch.setattr("django_sqs.steady._answers", _Answers())
    with override_settings(DATABASE_ROUTERS=["tests.django_sqs.test_steady.ByTenant"]):
        yield


def in_another_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_a_router_that_answers_by_the_request_is_warned_of_once(by_tenant, caplog):
    in_another_thread(lambda: steady_alias_of(UsedTicket))
    token = database.set("acme")
    try:
        assert steady_alias_of(UsedTicket) == "acme"
        steady_alias_of(UsedTicket)
    finally:
        database.reset(token)

    [warning] = [each for each in caplog.messages if "after it said" in each]
    assert "UsedTicket is in database 'acme', after it said 'default'" in warning


def test_one_that_always_answers_the_same_is_not(by_tenant, caplog):
    for _ in range(2):
        in_another_thread(lambda: steady_alias_of(UsedTicket))

    assert caplog.messages == []


def test_other_routers_may_answer_something_else(by_tenant, caplog):
    steady_alias_of(UsedTicket)
    token = database.set("acme")
    try:
        with override_settings(DATABASE_ROUTERS=["tests.django_sqs.test_steady.ByTenant"]):
            steady_alias_of(UsedTicket)
    finally:
        database.reset(token)

    assert caplog.messages == []
