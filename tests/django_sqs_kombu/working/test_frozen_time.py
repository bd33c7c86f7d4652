"""Asynchronous receivers in a test that has stopped the time."""

import asyncio
import time

import pytest

import django_sqs
from django_sqs_kombu import TimedOut
from django_sqs_kombu.testing import eager

freezegun = pytest.importorskip("freezegun")

NOON = "2026-11-28 12:00:00"


@pytest.fixture(params=["kombu", "django"])
def registry(request):
    """The registry of each half; each runs such receivers on a loop of its own."""
    return request.getfixturevalue("receivers" if request.param == "kombu" else "of_django")


@pytest.fixture
def of_django(settings, server, prefix):
    settings.SQS_ENDPOINT_URL = server.url
    settings.SQS_QUEUE_PREFIX = prefix
    known = dict(django_sqs.receivers.queues)
    yield django_sqs.receivers
    django_sqs.receivers.queues.clear()
    django_sqs.receivers.queues.update(known)


@pytest.mark.parametrize("loop", ["new", "of messages before"])
def test_one_that_sleeps_goes_on(registry, loop):
    seen = []

    async def receive(message):
        await asyncio.sleep(0.01)
        seen.append((message.get_body(), time.time()))

    registry.register("slept", receive)
    with eager(registry):
        if loop != "new":
            registry.send("slept", body="before")
        with freezegun.freeze_time(NOON):
            registry.send("slept", body="a")
            registry.send("slept", body="b")
            now = time.time()

    assert seen[-2:] == [("a", now), ("b", now)]


def test_one_that_sleeps_for_too_long_is_cancelled(registry):
    async def receive(message):
        await asyncio.sleep(30)

    registry.register("overslept", receive, timeout=0.3)
    with eager(registry), freezegun.freeze_time(NOON), pytest.raises(TimedOut):
        registry.send("overslept", body="a")
