"""A signal's handler that sends may interrupt its thread anywhere, also where it sends itself."""

import threading
from collections import Counter
from types import SimpleNamespace

import pytest

from django_sqs_kombu import Receivers
from django_sqs_kombu.registration.connection import SendingConnection
from django_sqs_kombu.transport.sqs.calls import Calls


@pytest.fixture
def ends():
    """Call something in a thread, which must come to its end; return what it returned."""

    def ends(call):
        found = []
        thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
        thread.start()
        thread.join(30)
        assert found, "it waits for itself"
        return found[0]

    return ends


def test_a_send_while_the_connection_is_opened(ends):
    closed, opened = [], []

    def connect():
        number = len(opened) + 1
        opened.append(number)
        if number == 1:
            connection.open()
        client = SimpleNamespace(close=lambda: closed.append(number))
        channel = SimpleNamespace(number=number, connection=SimpleNamespace(client=client))
        return SimpleNamespace(default_channel=channel)

    connection = SendingConnection(connect)

    channel, _ = ends(connection.open)

    # There is one for both in the end.
    assert (channel.number, closed) == (2, [1])
    assert connection.open()[0] is channel


def test_a_send_while_a_block_keeps_a_message(ends, receivers, bodies):
    receivers.register("orders")

    class Interrupted(list):
        def extend(self, entries):
            super().extend(entries)
            if len(self) == 1:
                receivers.send("orders", body="the handler's")

    def send():
        with receivers.batch() as batch:
            batch._entries = Interrupted()
            receivers.send("orders", body="its own")
        return True

    assert ends(send)
    assert sorted(bodies("orders")) == ["its own", "the handler's"]


def test_a_request_while_another_is_counted(ends):
    calls = Calls(Receivers("sqs-batch://").channel().requests.account)

    class Interrupted(Counter):
        def __setitem__(self, operation, count):
            super().__setitem__(operation, count)
            if count == 1:
                calls._count(operation)

    calls.made = Interrupted()

    ends(lambda: calls._count("SendMessage") or True)

    assert calls.made["SendMessage"] == 2
