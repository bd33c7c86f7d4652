"""Kombu's ways through an outage: retry policies, ensure_connection and failover URLs."""

import socket
import subprocess
import sys
import threading
import time

import kombu
import pytest
from botocore.credentials import CredentialResolver
from botocore.exceptions import CredentialRetrievalError
from kombu.exceptions import OperationalError
from kombu.mixins import ConsumerMixin

from django_sqs_kombu.transport import Channel

from ...processes import ROOT
from ...server import Server

SQS = "sqs://testing:testing-secret@127.0.0.1:{port}"


@pytest.fixture
def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def server_later(free_port):
    """A server on ``free_port`` from some seconds on."""
    started = []

    def server_later(seconds):
        def start():
            time.sleep(seconds)
            server = Server(free_port)
            server.start()
            started.append(server)

        thread = threading.Thread(target=start)
        thread.start()
        started.append(thread)

    yield server_later
    for each in started:
        if isinstance(each, Server):
            each.stop()


def publish(connection, name, **options):
    producer = kombu.Producer(connection)
    producer.publish("x", routing_key=name, declare=[kombu.Queue(name)], **options)


def visible(sqs, name):
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def test_connecting_asks_for_nothing(connect, free_port):
    connection = connect(url=SQS.format(port=free_port))

    connection.ensure_connection(max_retries=1)

    assert connection.connected


def test_publishing_is_tried_again_until_an_outage_of_some_seconds_is_over(
    connect, sqs, prefix, free_port, server_later
):
    connection = connect(url=SQS.format(port=free_port))
    sqs.create_queue(QueueName=prefix)
    server_later(4)
    policy = {"max_retries": 20, "interval_start": 1, "interval_step": 0, "interval_max": 1}

    publish(connection, prefix, retry=True, retry_policy=policy)

    assert visible(sqs, prefix) == 1


def test_publishing_pauses_between_its_tries_and_says_so(connect, prefix, free_port):
    connection = connect(url=SQS.format(port=free_port))
    pauses = []
    policy = {
        "max_retries": 3,
        "interval_start": 0.3,
        "interval_step": 0.3,
        "errback": lambda exc, interval: pauses.append(interval),
    }
    started = time.monotonic()

    with pytest.raises(OperationalError, match="Cannot reach SQS"):
        publish(connection, prefix, retry=True, retry_policy=policy)

    assert time.monotonic() - started >= 0.9
    assert pauses[:3] == [0, 0.3, 0.6]


def test_publishing_goes_on_if_another_thread_gives_the_connection_up_while_sqs_is_asked(
    connect, sqs, prefix, monkeypatch
):
    sqs.create_queue(QueueName=prefix)
    connection = connect()
    connection.ensure_connection()
    connection.collect()
    ask = Channel.ask

    def ask_and_lose(channel):
        ask(channel)
        monkeypatch.undo()
        # As the other thread does.
        connection.transport.close_connection(connection.transport)

    monkeypatch.setattr(Channel, "ask", ask_and_lose)

    publish(connection, prefix, retry=True, retry_policy={"max_retries": 3})

    assert Channel.ask is ask
    assert visible(sqs, prefix) == 1


def test_a_connection_that_another_thread_has_given_up_fails_as_one(connect):
    connection = connect()
    transport = connection.transport
    connection.ensure_connection()
    connection.collect()

    with pytest.raises(connection.connection_errors, match="given up"):
        transport.create_channel(transport)


@pytest.mark.parametrize("scheme", ["sqs", "sqs-batch"])
def test_a_dead_broker_is_left_for_the_next_of_the_list(
    connect, server, sqs, prefix, free_port, scheme
):
    live = server.url.rpartition(":")[2]
    urls = [SQS.format(port=port).replace("sqs:", f"{scheme}:") for port in (free_port, live)]
    connection = connect(url=";".join(urls))

    connection.ensure_connection(max_retries=5, interval_start=0.1)
    publish(connection, prefix)

    assert visible(sqs, prefix) == 1
    assert type(connection.transport).__module__ == "django_sqs_kombu.transport.transport"


def test_the_first_channel_of_a_connection_is_at_the_broker_that_answers(
    connect, server, prefix, free_port
):
    live = server.url.rsplit(":", 1)[-1]
    with connect(url=[SQS.format(port=free_port), SQS.format(port=live)]) as connection:
        # Kombu asks the transport of the first broker for it.
        channel = connection.channel()
        assert channel in connection.connection.channels

        kombu.Producer(channel).publish("x", routing_key=prefix)
        taken = []
        with kombu.Consumer(channel, [kombu.Queue(prefix)], callbacks=[lambda *a: taken.append(a)]):
            connection.drain_events(timeout=10)

    assert [body for body, _ in taken] == ["x"]


def test_a_list_of_brokers_that_are_all_dead_is_an_error_that_kombu_knows(connect, free_port):
    urls = [SQS.format(port=free_port)] * 2
    connection = connect(url=";".join(urls))

    with pytest.raises(OperationalError, match="Cannot reach SQS"):
        connection.ensure_connection(max_retries=2, interval_start=0.1, interval_max=0.1)


def test_a_refusal_is_an_answer(connect, server, sqs, prefix, free_port):
    live = server.url.rpartition(":")[2]
    urls = [SQS.format(port=port) for port in (free_port, live)]
    connection = connect(url=";".join(urls))

    with server.refusing("ListQueues", ""):
        connection.ensure_connection(max_retries=5, interval_start=0.1)

    assert connection.port == int(live)


def test_an_outage_of_predefined_queues_asks_one_of_them(
    connect, sqs, prefix, free_port, server_later
):
    sqs.create_queue(QueueName=prefix)
    url = f"http://127.0.0.1:{free_port}/123456789012/{prefix}"
    connection = connect(url=SQS.format(port=free_port), predefined_queues={prefix: {"url": url}})
    server_later(2)

    publish(connection, prefix, retry=True, retry_policy={"max_retries": 20, "interval_start": 1})

    assert visible(sqs, prefix) == 1


@pytest.mark.parametrize("transport", ["kombu's", "ours"])
def test_a_credential_provider_that_fails_once_is_asked_again(
    connect, server, sqs, prefix, monkeypatch, transport
):
    sqs.create_queue(QueueName=prefix)
    failures = []
    load = CredentialResolver.load_credentials

    def fail_once(self):
        if not failures:
            failures.append(True)
            raise CredentialRetrievalError(provider="test", error_msg="not now")
        return load(self)

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    connection = connect(transport, url=server.url.replace("http:", "sqs:"))
    if transport == "kombu's":
        connection.connect()
    monkeypatch.setattr(CredentialResolver, "load_credentials", fail_once)

    publish(connection, prefix, retry=True, retry_policy={"max_retries": 3, "interval_start": 0.1})

    assert visible(sqs, prefix) == 1


SERVE = """
import sys, time
from tests.server import Server
Server(int(sys.argv[1])).start()
print("started", flush=True)
time.sleep(300)
"""


class Reader(ConsumerMixin):
    """Consumes until a message comes."""

    connect_max_retries = 20

    def __init__(self, connection, queue):
        self.connection = connection
        self.queue = kombu.Queue(queue)
        self.bodies = []

    def get_consumers(self, Consumer, channel):  # noqa: N803 - Kombu's name
        return [Consumer([self.queue], callbacks=[self.read])]

    def read(self, body, message):
        message.ack()
        self.bodies.append(body)
        self.should_stop = True


@pytest.mark.slow
def test_a_consumer_goes_on_at_the_next_broker_when_its_own_ends(
    connect, server, sqs, prefix, free_port, eventually
):
    command = [sys.executable, "-c", SERVE, str(free_port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "started\n"
        live = server.url.rpartition(":")[2]
        urls = [SQS.format(port=port) for port in (free_port, live)]
        reader = Reader(connect(url=";".join(urls)), prefix)
        thread = threading.Thread(target=reader.run, daemon=True)
        thread.start()
        time.sleep(3)
        assert server.count("ReceiveMessage", prefix) == 0
        first.kill()

    url = sqs.create_queue(QueueName=prefix)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    thread.join(60)

    assert reader.bodies == ["x"]
