"""A process that forks while one of its threads writes a database of SQLite's."""

import contextlib
import logging
import os
import sqlite3
import threading
import time

import pytest

from django_sqs.forking import Forking, logs_at_rest


@pytest.fixture
def forks():
    return Forking()


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "some.sqlite3"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE some (n)")
    return file


def write(file, seconds=0.0):
    with contextlib.closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO some VALUES (1)")
        time.sleep(seconds)
        database.execute("COMMIT")


def forked(file):
    """The exit code of a child that writes."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(sqlite3.OperationalError):
            write(file)
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_finds_no_lock_of_the_parents(forks, file):
    asks = threading.Event()

    def ask():
        with forks.asking():
            asks.set()
            # A block within another waits for no fork.
            with forks.asking():
                write(file, 0.3)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asks.wait(5)
    with forks.forking():
        code = forked(file)
    thread.join()

    assert code == 0


def test_nobody_asks_meanwhile_and_all_go_on_then(forks):
    began = threading.Event()

    def ask():
        with forks.asking():
            began.set()

    with forks.forking():
        thread = threading.Thread(target=ask)
        thread.start()
        assert not began.wait(0.2)
    thread.join(5)

    assert began.is_set()


def test_what_hangs_is_waited_for_no_longer_than_told(forks):
    ending = threading.Event()

    def ask():
        with forks.asking():
            ending.wait(10)

    thread = threading.Thread(target=ask)
    thread.start()
    started = time.monotonic()
    with forks.forking(patience=0.2):
        took = time.monotonic() - started
    ending.set()
    thread.join()

    assert 0.1 < took < 5


class OwnLock(logging.NullHandler):
    """Whose lock ``logging`` does not renew in a child."""

    def __init__(self, lock):
        self._own = lock
        super().__init__()

    def createLock(self):  # noqa: N802 - the name of logging's
        self.lock = self._own

    def handle(self, record):
        with self.lock:
            return record


@pytest.mark.parametrize("make", [threading.RLock, threading.Lock])
def test_a_childs_threads_log_to_a_handler_that_makes_its_own_lock(make):
    handler = OwnLock(make())
    record = logging.makeLogRecord({})
    with logs_at_rest():
        handler.handle(record)
        pid = os.fork()
        if pid == 0:
            thread = threading.Thread(target=handler.handle, args=(record,), daemon=True)
            thread.start()
            thread.join(2)
            os._exit(thread.is_alive())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert code == 0
    # The parent's threads go on.
    thread = threading.Thread(target=handler.handle, args=(record,), daemon=True)
    thread.start()
    thread.join(2)
    assert not thread.is_alive()


def test_a_fork_takes_no_lock_that_a_child_could_not_renew():
    class Shared:
        taken = 0

        def acquire(self):
            self.taken += 1

        def release(self):
            self.taken -= 1

    handler = OwnLock(Shared())
    with logs_at_rest():
        assert handler.lock.taken == 0
