"""Settling on a channel that was closed: its messages were given back."""

import os
import subprocess
import sys

import kombu
import pytest


@pytest.fixture
def name(receivers):
    """The name of a queue that has a message."""
    queue = receivers.register("orders", lambda message: None)
    queue.send(body="x")
    return queue.full_name()


@pytest.fixture
def message(receivers, name):
    """That message, received on a channel of its own."""
    with receivers.new_connection() as connection:
        yield kombu.Queue(name)(connection.channel()).get()


@pytest.mark.parametrize("settle", ["ack", "reject", "requeue", "release", "delete_now"])
@pytest.mark.parametrize("closed", ["channel", "connection"])
def test_it_is_a_connection_error(message, name, settle, closed, counts, eventually):
    connection = message.channel.connection.client
    message.channel.close() if closed == "channel" else connection.release()

    with pytest.raises(connection.connection_errors, match="closed"):
        getattr(message, settle)()

    eventually(lambda: counts(name) == (1, 0, 0))


@pytest.mark.parametrize("settle", ["ack", "reject", "requeue", "release"])
def test_a_close_in_the_middle_of_it_costs_nothing(
    message, name, settle, counts, eventually, monkeypatch
):
    """As of a stop's own thread that gives back while the consumer's thread closes."""
    monkeypatch.setattr(message.channel, "_must_be_open", message.channel.close)

    getattr(message, settle)()

    eventually(lambda: counts(name)[1] == 0)


def test_a_close_between_the_steps_of_a_rejection_is_said_so(message, monkeypatch):
    channel = message.channel
    connection, find = channel.connection.client, channel.qos.find

    def found(tag):
        delivery = find(tag)
        channel.close()
        return delivery

    monkeypatch.setattr(channel.qos, "find", found)

    with pytest.raises(connection.connection_errors, match="closed"):
        message.reject()


SCRIPT = """
from django_sqs_kombu import CredentialsMissing, Receivers

receivers = Receivers("sqs-batch://")
receivers.register("orders")
try:
    receivers.send("orders", body="x")
except CredentialsMissing:
    print("said")
"""


def test_a_script_that_sent_in_vain_ends_without_a_word(tmp_path):
    """From Python 3.12 on no thread can be started at the exit, and none is needed."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    env |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "said\n"
    assert done.stderr == ""
