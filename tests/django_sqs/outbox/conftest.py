"""Fixtures: queues that are there, and ones that are not."""

import pytest

import django_sqs


@pytest.fixture
def attached(site, sqs, prefix, counts):
    """The project's queues on the test server; returns the visible count of one."""
    django_sqs.receivers.close()
    yield lambda name: counts(f"{prefix}__{name}")[0]
    django_sqs.receivers.close()
