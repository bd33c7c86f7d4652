"""Connections that are kept, and forgotten by what stands between: nothing comes back over them."""

import threading
import time
from contextlib import suppress

import pytest

from django_sqs_kombu import EndpointUnreachable
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
from django_sqs_kombu.transport.sqs.wire import doubted

from ..conftest import QUEUE_URL

KEPT = 5
#: Seconds after which a request is given up.
SILENCE = 1


@pytest.fixture(params=["auto", "botocore"])
def requests(scripted, request):
    config = {"read_timeout": SILENCE, "retries": {"total_max_attempts": 1}}
    options = {"region": "us-east-1", "client-config": config, "wire": request.param}
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    account.urls["orders"] = QUEUE_URL
    return Requests(account)


def all_at_once(call):
    """Call it in as many threads as connections are kept."""
    threads = [threading.Thread(target=call) for _ in range(KEPT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def keep_connections(scripted, ask):
    """Ask several times at once; what is kept then is forgotten."""
    together = threading.Barrier(KEPT)

    def answer(asked):
        together.wait(5)
        return {"Messages": [], "MessageId": "m", "Successful": [{"Id": "0"}]}

    for operation in ("ReceiveMessage", "SendMessage", "DeleteMessageBatch"):
        scripted.answers[operation] = answer
    all_at_once(ask)
    assert len(scripted.connections) == KEPT
    scripted.silent = set(scripted.connections)
    together.abort()
    for operation in scripted.answers:
        scripted.answers[operation] = {
            "Messages": [],
            "MessageId": "m",
            "Successful": [{"Id": "0"}],
        }


def test_a_poll_that_is_not_answered_over_a_kept_connection_is_the_only_one(requests, scripted):
    """Each of the next hung, too, as many as there were connections: for minutes."""

    def poll():
        return requests.receive("orders", 1, 0, None)

    keep_connections(scripted, poll)

    with pytest.raises(EndpointUnreachable):
        poll()

    assert poll() == []
    assert poll() == []
    # What was used since is used again.
    assert doubted._LIMIT is None or len(scripted.connections) == KEPT + 1


def test_an_older_libcurl_makes_new_connections_for_a_while(requests, scripted, monkeypatch):
    monkeypatch.setattr(doubted, "_LIMIT", None)

    def poll():
        return requests.receive("orders", 1, 0, None)

    keep_connections(scripted, poll)

    with pytest.raises(EndpointUnreachable):
        poll()
    assert poll() == []
    assert poll() == []


def test_a_send_that_is_not_answered_over_a_kept_connection_is_the_only_one(requests, scripted):
    def send():
        assert requests.send_batch("orders", [{"MessageBody": "1"}]) == [None]

    keep_connections(scripted, send)
    # Over libcurl it is sent once more.
    with suppress(EndpointUnreachable):
        send()

    began = time.monotonic()
    all_at_once(send)
    assert time.monotonic() - began < SILENCE
