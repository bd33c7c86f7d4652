"""A process that forks while one of its threads writes a database of SQLite's."""

import contextlib
import os
import sqlite3
import threading
import time

import pytest

from django_sqs.forking import Forking


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
