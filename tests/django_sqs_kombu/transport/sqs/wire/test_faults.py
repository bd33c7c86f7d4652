"""What failed on the way to SQS: a request that SQS may have all the same is in doubt."""

import contextlib
import os
import socket
import threading

import pytest

from django_sqs_kombu import SQSError
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
from django_sqs_kombu.transport.sqs.send_requests import may_be_accepted

from ..conftest import QUEUE_URL, Scripted
from .certificates import Authority

WIRES = ("auto", "botocore")


@pytest.fixture
def authority(tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.file)
    return authority


def requests_to(url, wire, **config):
    config = {"connect_timeout": 0.5, "retries": {"total_max_attempts": 1}, **config}
    options = {"region": "us-east-1", "wire": wire, "client-config": config}
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=url)
    account.urls["orders"] = QUEUE_URL
    return Requests(account)


def failure_of_a_send(requests):
    with pytest.raises(SQSError) as told:
        requests.send_batch("orders", [{"MessageBody": "1"}])
    return told.value


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("wire", WIRES)
def test_what_sqs_took_before_it_went_away_is_in_doubt(authority, wire, tls):
    """libcurl sends it again over another connection, of which there is none any more."""
    scripted = Scripted(authority.tls() if tls else None)
    requests = requests_to(scripted.url, wire)
    scripted.answers["SendMessage"] = {"MessageId": "m"}
    requests.send_batch("orders", [{"MessageBody": "0"}])

    def take_and_go(asked):
        scripted.close()
        raise ConnectionAbortedError

    scripted.answers["SendMessage"] = take_and_go

    failure = failure_of_a_send(requests)
    assert may_be_accepted(failure)
    assert ".." not in str(failure)  # botocore ends some of its texts with a full stop.
    assert scripted.counts["SendMessage"] == 2


@pytest.mark.parametrize("wire", WIRES)
def test_what_could_not_be_sent_since_no_connection_came_about_is_not_in_doubt(wire):
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Of what waits for it to accept, the rest is left to wait without an answer.
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        requests = requests_to(f"http://127.0.0.1:{full.getsockname()[1]}", wire)

        failure = failure_of_a_send(requests)

    assert failure.code == "ConnectTimeoutError"
    assert not may_be_accepted(failure)


@pytest.mark.parametrize("wire", WIRES)
def test_what_could_not_be_sent_since_a_certificate_is_not_believed_is_not_in_doubt(
    authority, monkeypatch, wire
):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    scripted = Scripted(authority.tls())

    failure = failure_of_a_send(requests_to(scripted.url, wire))
    scripted.close()

    assert failure.code == "SSLError"
    assert not may_be_accepted(failure)
    assert scripted.asked == []


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize("begun", [b"", ANSWER], ids=["no answer", "half an answer"])
@pytest.mark.parametrize("wire", WIRES)
def test_what_sqs_took_before_tls_broke_is_in_doubt(authority, wire, begun):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        arguments = (server, authority.tls(), begun)
        threading.Thread(target=break_tls, args=arguments, daemon=True).start()

        failure = failure_of_a_send(requests_to(url, wire))

    assert may_be_accepted(failure)


def break_tls(server, context, begun):
    """Take requests, and answer with *begun* and what is no TLS."""
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            with context.wrap_socket(client, server_side=True) as connection:
                while b'"MessageBody"' not in connection.recv(65536):
                    pass
                connection.sendall(begun)
                with socket.socket(fileno=os.dup(connection.fileno())) as beneath:
                    beneath.sendall(b"This is no TLS.")
                # Nothing of it is left unread, which would reset the connection.
                connection.recv(1)
