"""A router that fails while the relay runs: what is sent is written down, and a stop is one."""

import threading

import pytest

import django_sqs
from django_sqs.outbox import claims
from django_sqs.outbox.databases import outbox_databases
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay

pytestmark = pytest.mark.django_db(transaction=True)


class Router:
    """Knows nothing, and says so in its own way as long as ``fails`` is set."""

    def __init__(self):
        self.fails = threading.Event()

    def db_for_write(self, model, **hints):
        if self.fails.is_set():
            raise RuntimeError("the tenants cannot be asked")

    db_for_read = db_for_write


@pytest.fixture
def router(settings):
    router = Router()
    settings.DATABASE_ROUTERS = [router, *settings.DATABASE_ROUTERS]
    yield router
    router.fails.clear()


@pytest.fixture
def failing_from_the_claim(router, monkeypatch):
    """Have it fail as soon as a row is claimed, and so while it is sent."""
    claim = claims.claim

    def claim_and_fail(*args):
        claimed = claim(*args)
        router.fails.set()
        return claimed

    monkeypatch.setattr(claims, "claim", claim_and_fail)


@pytest.fixture
def rows():
    return OutboxMessage.objects.using(outbox_databases()[0])


def test_what_is_under_way_is_written_down(
    attached, failing_from_the_claim, router, rows, eventually
):
    django_sqs.send("plain", body="x", outbox=True)
    relay = Relay(0.1)
    running = threading.Thread(target=relay.run)
    running.start()
    try:
        assert router.fails.wait(10)
        eventually(lambda: not rows.exists(), timeout=10)
    finally:
        relay.stop()
        running.join()
    assert attached("plain") == 1


def test_sending_once_does_not_leave_what_was_sent(attached, failing_from_the_claim, rows):
    django_sqs.send("plain", body="x", outbox=True)
    django_sqs.send("second", body="x", outbox=True)

    with pytest.raises(RuntimeError, match="tenants"):
        Relay(0.1).send_all()

    assert attached("plain") + attached("second") == 2
    assert not rows.exists()


def test_a_stop_needs_no_router(router):
    relay = Relay(0.1)
    relay.stop()
    router.fails.set()

    relay.run()
