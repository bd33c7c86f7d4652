"""A PostgreSQL server whose log counts the statements of each database."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.postgres import as_postgres, missing

from ..servers import free_port, process


class Database:
    """A running server, with a database for each project."""

    def __init__(self, port, log):
        self._port, self._log = port, log

    def create(self, name):
        """Make a database; return Django's settings of it, as JSON."""
        command = ("-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres", name)
        subprocess.run(as_postgres("createdb", *command), check=True, cwd="/")
        return json.dumps(
            {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": name,
                "USER": "postgres",
                "HOST": "127.0.0.1",
                "PORT": str(self._port),
            }
        )

    def ask(self, name, query):
        """The first value that *query* finds, unseen by :meth:`statements`."""
        connection = f"host=127.0.0.1 port={self._port} user=postgres dbname={name}"
        unseen = f"{connection} options='-c log_statement=none'"
        done = subprocess.run(
            as_postgres("psql", "-AtX", "-c", query, unseen),
            check=True,
            capture_output=True,
            text=True,
            cwd="/",
        )
        return done.stdout.strip()

    def statements(self, name):
        """How many statements were executed in a database so far."""
        with self._log.open(errors="replace") as lines:
            begin = (f"{name}| LOG:  statement:", f"{name}| LOG:  execute ")
            return sum(line.startswith(begin) for line in lines)


@contextlib.contextmanager
def database():
    """A server until the block ends.

    :raises RuntimeError: PostgreSQL is not installed.
    """
    if missing():
        raise RuntimeError(f"{missing()}: `python -m benchmarks beside` runs the projects on it.")
    folder = Path(tempfile.mkdtemp(prefix="beside-"))
    folder.chmod(0o777)
    data, port = str(folder / "data"), free_port()
    made = as_postgres("initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
    subprocess.run(made, check=True, capture_output=True, cwd="/")
    settings = {
        "fsync": "off",
        "max_connections": "200",
        "log_statement": "all",
        "log_line_prefix": "%d| ",
        "logging_collector": "on",
        "log_directory": str(folder),
        "log_filename": "statements",
        "log_rotation_size": "0",
        "log_file_mode": "0644",
    }
    command = as_postgres("postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", data)
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    try:
        # An interrupt is a fast stop: without it the server waits for its clients.
        with process(command, port):
            try:
                yield Database(port, folder / "statements")
            finally:
                stop = as_postgres("pg_ctl", "stop", "-D", data, "-m", "immediate")
                subprocess.run(stop, check=False, capture_output=True, cwd="/")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment_of(settings, sqs, **more):
    """The environment of a project's processes: its database, and the SQS that it sends to."""
    return {
        **os.environ,
        "DATABASE": settings,
        "LOCAL_SQS": sqs.url.removeprefix("http://"),
        "AWS_ACCESS_KEY_ID": "beside",
        "AWS_SECRET_ACCESS_KEY": "beside",
        "AWS_DEFAULT_REGION": "us-east-1",
        **more,
    }
