"""Fixtures: the project's settings pointed at the test server."""

import os
import threading

import pytest
from django.core.cache import cache
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite

import django_sqs

from ..databases import settings as databases


@pytest.fixture(autouse=True)
def site(settings, server, prefix):
    """This process's project on the test server, with a prefix of its own."""
    settings.SQS_ENDPOINT_URL = server.url
    settings.SQS_QUEUE_PREFIX = prefix
    cache.clear()
    registered = dict(django_sqs.receivers.queues)
    yield settings
    # What a test has registered is no other's.
    if django_sqs.receivers.queues != registered:
        django_sqs.receivers.queues.clear()
        django_sqs.receivers.queues.update(registered)


def pytest_collection_modifyitems(items):
    """Let tests use all databases, where there are several."""
    if databases.aliases(os.environ) == ["default"]:
        return
    for item in items:
        mark = item.get_closest_marker("django_db")
        if mark is None and "db" in getattr(item, "fixturenames", ()):
            mark = pytest.mark.django_db().mark
        if mark is not None:
            every = pytest.mark.django_db(*mark.args, **{**mark.kwargs, "databases": "__all__"})
            item.add_marker(every, append=False)


@pytest.fixture(autouse=True, scope="session")
def _connections_of_threads_are_closed():
    """Have close() close what a thread has opened of SQLite's database in memory.

    Django leaves it open, since it is gone with its last connection.  The tests' own thread has
    that one; others would be closed by the collector, in the midst of some later test.
    """
    own, close = threading.get_ident(), SQLite.close

    def close_other(self):
        if threading.get_ident() == own:
            close(self)
        else:
            self.validate_thread_sharing()
            BaseDatabaseWrapper.close(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLite, "close", close_other)
        yield
