"""Fixtures: the project's settings pointed at the test server."""

import contextlib
import os
import threading

import pytest
from django.core.cache import cache
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite

import django_sqs

from ..databases import settings as databases

#: What a server takes in a statement, where it takes little.
MOST_BYTES = 2 * 1024 * 1024


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


@pytest.fixture
def small_statements(site):
    """Databases that take no statement of more than MOST_BYTES."""
    connection = connections["default"]
    if connection.vendor != "mysql":

        def refuse(execute, sql, params, many, context):
            texts = [each for each in params or () if isinstance(each, str)]
            if sum(len(each) + each.count("'") for each in texts) > MOST_BYTES:
                raise OperationalError(1153, "Got a packet bigger than 'max_allowed_packet' bytes")
            return execute(sql, params, many, context)

        with contextlib.ExitStack() as stack:
            for each in connections.all():
                stack.enter_context(each.execute_wrapper(refuse))
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.max_allowed_packet")
        [before] = cursor.fetchone()
        cursor.execute("SET GLOBAL max_allowed_packet = %s", [MOST_BYTES])
    connections.close_all()
    yield
    connections.close_all()
    with connection.cursor() as cursor:
        cursor.execute("SET GLOBAL max_allowed_packet = %s", [before])
    connections.close_all()
