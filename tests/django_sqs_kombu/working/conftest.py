"""Fixtures: a consumer of asynchronous receivers, and what polls bring."""

import pytest

from django_sqs_kombu import Middleware

from .consuming import consume_until


class Polls(Middleware):
    count = 0

    def polled(self, registered, received):
        self.count += received


@pytest.fixture
def polls(receivers):
    """How many messages polls have brought."""
    polls = Polls()
    receivers.middleware.append(polls)
    return polls


@pytest.fixture
def consume(receivers):
    """Run coroutines until *count* messages of each queue were received."""

    def consume(count, *, coroutines=20, **options):
        consume_until(receivers, count, coroutines=coroutines, **options)

    return consume
