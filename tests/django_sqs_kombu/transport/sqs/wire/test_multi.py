"""Multi: sockets that servers close, and whose numbers the system gives to others at once."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import threading
import time

import pycurl
import pytest

from django_sqs_kombu.transport.sqs.wire import multi
from django_sqs_kombu.transport.sqs.wire import reactor as reactors
from django_sqs_kombu.transport.sqs.wire.reactor import Reactor

from .test_reactor import Handle, begin

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REQUESTS = 200


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def url(listening):
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def closing(listening):
    """Answer each request, and close its connection."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(ANSWER)

    threading.Thread(target=serve, daemon=True).start()


def errors_of(reactor, handles):
    """The errors of many requests, of which as many are under way as there are *handles*."""
    errors, ended = [], threading.Event()

    def go_on(exchange):
        errors.append(exchange.error)
        if len(errors) < REQUESTS:
            reactor.begin(exchange.handle, go_on)
        else:
            ended.set()

    for handle in handles:
        reactor.begin(handle, go_on)
    assert ended.wait(30)
    return [error for error in errors if error is not None]


def answer(connection):
    assert connection.recv(4096)
    # Not before it is waited for.
    time.sleep(0.03)
    connection.sendall(KEPT)


def turns(reactor, seconds):
    """How often it waits in these seconds."""
    waits, selector = [], reactor._loop._selector
    select = selector.select
    selector.select = lambda timeout: waits.append(timeout) or select(timeout)
    reactor.soon(lambda: None)
    time.sleep(seconds)
    return len(waits)


def test_connections_that_are_closed_after_each_answer_cost_no_request(closing, url, monkeypatch):
    """Also where the thread has ended meanwhile, and another one goes on."""
    monkeypatch.setattr(reactors, "IDLE", 0.1)
    reactor = Reactor()
    assert begin(reactor, Handle(url))[1].wait(5)
    first = reactor._thread
    first.join(5)
    # One that comes later must not be taken for the one that has ended.
    stays = threading.Event()
    others = [threading.Thread(target=stays.wait, args=(30,), daemon=True) for _ in range(4)]
    for each in others:
        each.start()

    assert errors_of(reactor, [Handle(url) for _ in range(4)]) == []

    stays.set()


def test_sockets_that_the_system_does_not_tell_apart_cost_no_request(closing, url, monkeypatch):
    """As macOS, which numbers those of TCP all 0."""
    fstat = os.fstat

    def numbered_0(fd):
        found = list(fstat(fd))
        found[stat.ST_INO] = 0
        return os.stat_result(found)

    monkeypatch.setattr(multi._forks, "begun", False)
    monkeypatch.setattr(multi.os, "fstat", numbered_0)

    assert errors_of(Reactor(), [Handle(url) for _ in range(4)]) == []


def test_a_child_that_has_a_closed_connection_open_keeps_no_thread_busy(listening, url):
    reactor = Reactor()
    handle = Handle(url)
    _, ended = begin(reactor, handle)
    connection, _ = listening.accept()
    connection.recv(4096)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        connection.close()
        os.close(writer)
        # Until its parent has seen enough.
        os.read(reader, 1)
        os._exit(0)
    try:
        connection.sendall(ANSWER)
        connection.close()
        assert ended.wait(5)
        assert turns(reactor, 0.3) < 10
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(child, 0)


def test_a_kept_connection_is_registered_once_for_many_requests(listening, url, monkeypatch):
    # By another test of this process.
    monkeypatch.setattr(multi._forks, "begun", False)
    reactor, handle, registered = Reactor(), Handle(url), []
    _, ended = begin(reactor, handle)
    connection, _ = listening.accept()
    selector = reactor._loop._selector

    def noted(name):
        method = getattr(selector, name)

        def call(fd, *args):
            # libcurl has others of its own, to be woken by.
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                registered.append(name)
            return method(fd, *args)

        return call

    for name in ("register", "unregister"):
        monkeypatch.setattr(selector, name, noted(name))
    with connection:
        for _ in range(5):
            answer(connection)
            assert ended.wait(5)
            _, ended = begin(reactor, handle)
        answer(connection)
        assert ended.wait(5)
        # The first may have been before it was looked at; the last comes when it is closed.
        assert registered in ([], ["register"])


def test_a_kept_connection_that_the_server_closes_keeps_no_thread_busy(listening, url, monkeypatch):
    monkeypatch.setattr(multi._forks, "begun", False)
    reactor, handle = Reactor(), Handle(url)
    _, ended = begin(reactor, handle)
    connection, _ = listening.accept()
    with connection:
        answer(connection)
        assert ended.wait(5)

    assert turns(reactor, 0.3) < 10
    # The next request goes over another one, which may have the same number.
    exchange, ended = begin(reactor, handle)
    connection, _ = listening.accept()
    with connection:
        answer(connection)
        assert ended.wait(5)
    assert exchange.error is None


@pytest.mark.parametrize("is_at_work", [False, True])
def test_a_child_that_has_a_kept_connection_open_keeps_no_thread_busy(
    is_at_work, listening, url, monkeypatch
):
    """It is closed after the fork, which is when a request finds the server gone."""
    monkeypatch.setattr(multi._forks, "begun", False)
    reactor, handle = Reactor(), Handle(url)
    _, ended = begin(reactor, handle)
    connection, _ = listening.accept()
    answer(connection)
    assert ended.wait(5)
    reader, writer = os.pipe()
    goes_on = threading.Event()
    if is_at_work:
        # With something else than waiting.
        reactor.soon(lambda: goes_on.wait(5))
        time.sleep(0.1)
    child = os.fork()
    if not child:
        connection.close()
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    try:
        connection.close()
        exchange, ended = begin(reactor, handle)
        goes_on.set()
        connection, _ = listening.accept()
        with connection:
            answer(connection)
            assert ended.wait(5)
        assert exchange.error is None
        assert turns(reactor, 0.3) < 10
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(child, 0)


def test_a_program_that_was_started_meanwhile_keeps_no_thread_busy(listening, url, monkeypatch):
    """It may inherit what is open, as the connections of older versions of libcurl."""
    monkeypatch.setattr(multi._forks, "begun", False)

    def inherited(purpose, address):
        # pycurl duplicates it, which any program inherits then.
        return socket.socket(address.family, address.socktype, address.protocol)

    reactor, handle = Reactor(), Handle(url)
    handle.curl.setopt(pycurl.OPENSOCKETFUNCTION, inherited)
    _, ended = begin(reactor, handle)
    connection, _ = listening.accept()
    connection.recv(4096)
    wait = [sys.executable, "-c", "input()"]
    with subprocess.Popen(wait, stdin=subprocess.PIPE, close_fds=False) as program:
        try:
            connection.sendall(ANSWER)
            connection.close()
            assert ended.wait(5)
            assert turns(reactor, 0.3) < 10
        finally:
            program.kill()


def test_as_many_connections_are_kept_as_were_in_use_at_once(listening, url, monkeypatch):
    """With fewer, each poll of many queues, and each deletion, began with a TLS handshake."""
    monkeypatch.setattr(multi, "CONNECTIONS", 4)
    reactor, handles = Reactor(), [Handle(url) for _ in range(20)]
    first = [begin(reactor, handle) for handle in handles]
    connections = [listening.accept()[0] for _ in handles]
    with contextlib.ExitStack() as open_connections:
        for each in connections:
            open_connections.enter_context(each).settimeout(5)
        for each in connections:
            answer(each)
        assert all(ended.wait(5) for _, ended in first)

        again = [begin(reactor, handle) for handle in handles]
        # A connection that was closed has nothing more to read.
        for each in connections:
            answer(each)
        assert all(ended.wait(5) for _, ended in again)
        assert [exchange.error for exchange, _ in again] == [None] * len(handles)
