"""A registry in a forked child."""

import os
import signal
import threading
import time

import pytest

from django_sqs_kombu.registration import connection as module


@pytest.fixture
def in_child():
    """Run a function in a forked child; return the child's exit code, 0 for a true result."""

    def in_child(function, seconds=30.0):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if function() else 2
            finally:
                os._exit(code)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return pytest.fail(f"the child hung for {seconds} s")

    return in_child


def test_a_forked_child_sends_over_a_connection_of_its_own(receivers, counts, in_child):
    receivers.register("orders")
    receivers.send("orders", body="parent")
    parents = receivers.channel()

    def child():
        receivers.send("orders", body="child")
        return receivers.channel() is not parents

    assert in_child(child) == 0
    assert receivers.channel() is parents
    receivers.send("orders", body="parent again")
    assert counts(receivers.get("orders").full_name()) == (3, 0, 0)


def test_a_child_that_is_forked_while_a_thread_connects_does_not_hang(
    receivers, counts, in_child, monkeypatch
):
    receivers.register("orders")
    connecting, go_on = threading.Event(), threading.Event()
    new_connection = receivers.new_connection
    parent = os.getpid()

    def slow_connection():
        if os.getpid() == parent:
            connecting.set()
            go_on.wait(60)
        return new_connection()

    monkeypatch.setattr(receivers._sending, "_connect", slow_connection)
    thread = threading.Thread(target=receivers.channel)
    thread.start()
    assert connecting.wait(30)

    def child():
        receivers.send("orders", body="child")
        return True

    try:
        assert in_child(child) == 0
    finally:
        go_on.set()
        thread.join()
    receivers.send("orders", body="parent")
    assert counts(receivers.get("orders").full_name()) == (2, 0, 0)


def test_a_childs_child_has_a_connection_of_its_own_too(receivers, in_child):
    parents = receivers.channel()

    def child():
        childs = receivers.channel()
        return in_child(lambda: receivers.channel() not in (parents, childs)) == 0

    assert in_child(child) == 0


def test_a_child_keeps_what_its_parent_sends_over_so_that_nothing_closes_it(receivers, in_child):
    parents = receivers.channel()

    assert in_child(lambda: any(kept[0] is parents for kept in module._parents)) == 0
    assert not module._parents


def test_closing_in_a_child_leaves_the_parents_connection_open(receivers, in_child):
    receivers.register("orders")
    parents = receivers.channel()

    def child():
        receivers.close()
        return not parents.closed

    assert in_child(child) == 0
    assert receivers.channel() is parents
    receivers.send("orders", body="x")


@pytest.mark.parametrize("leaves", [True, False], ids=["leaves the block", "ends in it"])
def test_a_child_forked_in_a_batch_sends_its_own_at_once_and_nothing_of_its_parents(
    receivers, bodies, in_child, leaves
):
    orders = receivers.register("orders")

    with receivers.batch() as batch:
        orders.send(body="parent")

        def child():
            orders.send(body="child")
            sent = orders.send_many(["many"])
            with receivers.batch():
                orders.send(body="block")
            if leaves:
                batch.__exit__(None, None, None)
            return sent == 1 and not batch.is_open

        assert in_child(child) == 0
        assert sorted(bodies("orders")) == ["block", "child", "many"]
        assert batch.is_open

    assert bodies("orders") == ["parent"]


def test_a_child_that_is_forked_while_a_thread_adds_to_a_batch_does_not_hang(
    receivers, bodies, in_child
):
    orders = receivers.register("orders")
    with receivers.batch() as batch, batch._lock:

        def child():
            orders.send(body="child")
            batch.__exit__(None, None, None)
            return True

        assert in_child(child) == 0

    assert bodies("orders") == ["child"]
