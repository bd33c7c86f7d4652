"""Fixtures: the project's settings pointed at the test server."""

import os

import pytest
from django.core.cache import cache

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
