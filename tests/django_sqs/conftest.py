"""Fixtures: the project's settings pointed at the test server."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def site(settings, server, prefix):
    """This process's project on the test server, with a prefix of its own."""
    settings.SQS_ENDPOINT_URL = server.url
    settings.SQS_QUEUE_PREFIX = prefix
    cache.clear()
    return settings
