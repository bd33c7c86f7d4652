"""Views and blocks that are rolled back take along all that was to be sent with them."""

import contextlib

import pytest
from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

import django_sqs
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay

from ..site.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def send_all():
    """Send in each way that goes with a transaction."""
    django_sqs.send("rows", instance=Order.objects.create(title="x"))
    django_sqs.send("second", body="at the commit", on_commit=True)
    django_sqs.send_many("second", ["a", "b"], on_commit=True)
    django_sqs.send("copy", body="outbox", outbox=True)
    django_sqs.send_many("copy", ["a", "b"], outbox=True)


def view(request, end):
    send_all()
    if end == "savepoint":
        with contextlib.suppress(KeyError), contextlib.ExitStack() as stack:
            for alias in connections:
                stack.enter_context(transaction.atomic(alias))
            send_all()
            raise KeyError
    if end == "error":
        raise KeyError
    if end == "rollback":
        for alias in connections:
            transaction.set_rollback(True, alias)
    return HttpResponse(end)


async def asynchronous_view(request):
    order = await Order.objects.acreate(title="x")
    await django_sqs.receivers.get("rows").asend(instance=order)
    await django_sqs.receivers.get("copy").asend(body="outbox", outbox=True)
    return HttpResponse("done")


urlpatterns = [path("async/", asynchronous_view), path("<str:end>/", view)]


@pytest.fixture
def sent(settings, attached, sqs, prefix):
    """Returns how many were sent: rows, at the commit, by the outbox."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    settings.SQS_CREATE_QUEUES = True
    names = ("rows", "second", "copy")
    for name in names:
        sqs.create_queue(QueueName=f"{prefix}__{name}")

    def sent():
        Relay().send_all()
        return tuple(map(attached, names))

    return sent


@pytest.fixture
def attached(site, counts, prefix):
    django_sqs.receivers.close()
    yield lambda name: counts(f"{prefix}__{name}")[0]
    django_sqs.receivers.close()


@pytest.fixture
def atomic_requests():
    """As the settings of all databases have it."""
    for alias in connections:
        connections[alias].settings_dict["ATOMIC_REQUESTS"] = True
    yield
    for alias in connections:
        connections[alias].settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.parametrize(
    ("end", "wanted"),
    [("ok", (1, 3, 3)), ("savepoint", (1, 3, 3)), ("error", (0, 0, 0)), ("rollback", (0, 0, 0))],
)
def test_a_view_sends_exactly_what_it_commits(end, wanted, atomic_requests, sent):
    answer = Client(raise_request_exception=False).get(f"/{end}/")

    assert answer.status_code == (500 if end == "error" else 200)
    assert sent() == wanted
    assert not OutboxMessage.objects.exists()


def test_an_asynchronous_view_sends(sent):
    answer = async_to_sync(AsyncClient().get)("/async/")

    assert answer.status_code == 200
    assert sent() == (1, 0, 1)
