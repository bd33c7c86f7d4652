"""Fixtures: the project's queues, with a connection of their own to SQS, and isolation."""

import pytest
from django.db import connections, router

import django_sqs
from django_sqs.tickets.models import UsedTicket


@pytest.fixture(autouse=True)
def attached(site):
    django_sqs.receivers.close()
    yield
    django_sqs.receivers.close()


@pytest.fixture(params=["as usual", "serializable"])
def isolation(request, monkeypatch):
    """How transactions of other threads are isolated: as they are, and as strictly as can be."""
    connection = connections[router.db_for_write(UsedTicket)]
    if request.param == "serializable":
        if connection.vendor != "postgresql":
            pytest.skip("only PostgreSQL lets one of two fail then")
        from django.db.backends.postgresql.psycopg_any import IsolationLevel

        options = connection.settings_dict["OPTIONS"]
        monkeypatch.setitem(options, "isolation_level", IsolationLevel.SERIALIZABLE)
    yield request.param
    if request.param == "serializable" and connection.settings_dict["OPTIONS"].get("pool"):
        # Its connections stay as strict as they are.
        connection.close()
        connection.close_pool()
