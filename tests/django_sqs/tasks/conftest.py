"""Fixtures: this process's task backends, on the test server."""

import pytest

import django_sqs
from django_sqs.tasks.framework import task_backends

BACKEND = "django_sqs.tasks.SQSBackend"


@pytest.fixture
def backends(site):
    """Two backends, and messages that fail are there again at once."""
    before = dict(django_sqs.receivers.queues)
    site.SQS_RESTART_BACKOFF = 0
    site.SQS_POLL_PERIOD = 1
    site.TASKS = {
        "default": {
            "BACKEND": BACKEND,
            "QUEUES": ["default", "mail"],
            "OPTIONS": {"max_attempts": 2},
        },
        "ops": {
            "BACKEND": BACKEND,
            "QUEUES": ["admin"],
            "OPTIONS": {"queue_name_prefix": "ops-"},
        },
    }
    django_sqs.receivers.close()
    for alias in site.TASKS:
        task_backends[alias].register_queues(django_sqs.receivers)
    yield task_backends
    django_sqs.receivers.close()
    django_sqs.receivers.queues.clear()
    django_sqs.receivers.queues.update(before)


@pytest.fixture
def receive(backends):
    """Receive one message and settle it; what was raised is returned."""

    def receive(name="tasks-default"):
        try:
            received = django_sqs.receivers.get(name).receive_single()
        except Exception as exc:
            return exc
        assert received is not None, "no message came"
        return None

    return receive
