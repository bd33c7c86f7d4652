"""Fixtures: connections through kombu's transport and ours, which must behave alike."""

import kombu
import pytest

from ...unlocked import Watched

OURS = "django_sqs_kombu.transport:Transport"


@pytest.fixture(autouse=True)
def nothing_is_logged_under_the_lock():
    with Watched() as guard:
        yield
    assert guard.found == []


@pytest.fixture
def connect(server):
    """Open a connection: ``connect("ours")`` or ``connect("kombu's")``, and transport options."""
    connections = []

    def connect(transport="ours", url=None, **options):
        address = server.url.removeprefix("http://")
        connection = kombu.Connection(
            url or f"sqs://testing:testing-secret@{address}",
            transport=OURS if transport == "ours" else None,
            transport_options={
                "region": "us-east-1",
                "is_secure": False,
                "wait_time_seconds": 1,
                "polling_interval": 0.1,
                **options,
            },
        )
        connections.append(connection)
        return connection

    yield connect
    for connection in connections:
        connection.release()
