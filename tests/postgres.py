"""A PostgreSQL server of a test's own, where PostgreSQL is installed."""

import atexit
import contextlib
import functools
import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .processes import Process


def program(name):
    """Where a program of PostgreSQL's is; Debian keeps them off PATH."""
    places = [os.environ["PATH"], *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
    return shutil.which(name, path=os.pathsep.join(places))


def as_postgres(name, *arguments):
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return [*prefix, program(name), *arguments]


def missing():
    """What is not installed, if anything."""
    found = all(map(program, ("initdb", "postgres", "pg_ctl", "psql")))
    return None if found else "PostgreSQL is not installed"


@functools.cache
def _new_cluster():
    """A folder of data in which no server has run yet; each server has a copy of it."""
    folder = tempfile.mkdtemp(prefix="cluster-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o777)
    data = os.path.join(folder, "data")
    subprocess.run(
        as_postgres("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"),
        check=True,
        capture_output=True,
        cwd=folder,
    )
    return data


class Postgres:
    """A server on 127.0.0.1 that can be stopped and started again."""

    def __init__(self, folder):
        self._folder = folder
        self._data = str(folder / "data")
        # With the owner that initdb gave it.
        subprocess.run(["cp", "-a", _new_cluster(), self._data], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = str(self.port)
        #: Past any pooler.
        self.server_port = self.port
        self._server = None

    def start(self):
        options = ("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder))
        settings = ("-c", "fsync=off", "-c", "max_connections=200")
        command = as_postgres("postgres", "-D", self._data, *options, *settings)
        self._server = Process(command, dict(os.environ))
        deadline = time.monotonic() + 30
        while "ready to accept connections" not in self._server.output:
            assert time.monotonic() < deadline, self._server.output
            time.sleep(0.1)

    def stop(self):
        """Stop it, its connections broken off."""
        subprocess.run(
            as_postgres("pg_ctl", "stop", "-D", self._data, "-m", "immediate"),
            check=True,
            capture_output=True,
            cwd=self._folder,
        )
        self._server.wait(20)

    def create_database(self, name):
        """Create a database; return it as the test project's settings take it."""
        self.execute(f"CREATE DATABASE {name}")
        return f"{self.port}/{name}"

    def execute(self, statement, database="postgres"):
        """Run a statement as the administrator; return what it prints."""
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database)
        done = subprocess.run(
            [program("psql"), *where, "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def end(self):
        if self._server is not None:
            self._server.end()


@contextlib.contextmanager
def running():
    """A new server, or a skip where there is none to be had."""
    import pytest

    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if lacks := missing():
        pytest.skip(lacks)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.end()
