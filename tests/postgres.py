"""A PostgreSQL server of a test's own, where PostgreSQL is installed."""

import contextlib
import glob
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from .processes import Process


def program(name):
    """Where a program of PostgreSQL's is; Debian keeps them off PATH."""
    places = [os.environ["PATH"], *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
    return shutil.which(name, path=os.pathsep.join(places))


def as_postgres(name, *arguments):
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return [*prefix, program(name), *arguments]


class Postgres:
    """A server on 127.0.0.1 that can be stopped and started again."""

    def __init__(self, folder):
        self._folder = folder
        self._data = str(folder / "data")
        subprocess.run(
            as_postgres("initdb", "-D", self._data, "-A", "trust", "-U", "postgres"),
            check=True,
            capture_output=True,
            cwd=folder,
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._server = None

    def start(self):
        options = ("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder))
        command = as_postgres("postgres", "-D", self._data, *options, "-c", "fsync=off")
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
        import psycopg

        address = f"host=127.0.0.1 port={self.port} user=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{self.port}/{name}"

    def end(self):
        if self._server is not None:
            self._server.end()


@contextlib.contextmanager
def running():
    """A new server, or a skip where there is none to be had."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not all(map(program, ("initdb", "postgres", "pg_ctl"))):
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.end()
