"""What writes failures: which errors of a database it gets over, and what it does with the rest."""

import pytest
from django.db import DataError, OperationalError, ProgrammingError, connections, router

from django_sqs.failures import writing
from django_sqs.failures.models import Failure
from django_sqs.failures.writing import FailureWriter

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def discarded(monkeypatch):
    found = []
    monkeypatch.setattr("django_sqs.connections.discard", found.append)
    return found


@pytest.fixture
def raising(monkeypatch):
    """Have each write raise the next of some errors."""

    def raising(*errors):
        left = list(errors)

        def write_all(using, contents):
            raise left.pop(0)

        monkeypatch.setattr(writing, "write_all", write_all)

    return raising


@pytest.mark.parametrize("before", [[], [DataError("too long")]], ids=["together", "alone"])
def test_a_connection_that_fails_is_dropped(before, raising, discarded):
    """Also where one failure was refused, and the others are written one by one."""
    raising(*before, OperationalError("gone away"))
    with pytest.raises(OperationalError):
        FailureWriter().write([("mark", Failure())])

    assert discarded == [connections[router.db_for_write(Failure)]]


def test_the_log_names_the_database_to_migrate(raising, monkeypatch, caplog):
    raising(ProgrammingError("no such table"))
    monkeypatch.setattr(writing, "_lacks_tables", lambda using: True)
    monkeypatch.setitem(connections.settings, "keys", connections.settings["default"])
    monkeypatch.setattr(router, "db_for_write", lambda model: "keys")
    monkeypatch.setattr(writing, "connect", lambda using: None)
    FailureWriter().write([("mark", Failure())])

    assert (
        caplog.messages[-1] == "1 failures cannot be stored. Run manage.py migrate --database=keys"
    )
