"""Fixtures: the project's queues, with a connection of their own to SQS."""

import pytest

import django_sqs


@pytest.fixture(autouse=True)
def attached(site):
    django_sqs.receivers.close()
    yield
    django_sqs.receivers.close()
