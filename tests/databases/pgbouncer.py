"""PgBouncer in front of a PostgreSQL server: each transaction may get another connection."""

import importlib
import os
import shutil
import socket
import time

from .. import postgres
from ..processes import Process

#: ``query_wait_timeout``: by default a client waits 120 s for a server that is away.
CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = postgres
pool_mode = transaction
max_client_conn = 500
default_pool_size = 10
server_login_retry = 1
query_wait_timeout = 5
server_idle_timeout = 2
"""


def program():
    """Where it is; Debian keeps it where only root looks."""
    return shutil.which("pgbouncer", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))


def missing():
    """What is not installed, if anything."""
    return postgres.missing() or (None if program() else "PgBouncer is not installed")


class PgBouncer:
    """A PostgreSQL server that is reached through PgBouncer only."""

    def __init__(self, folder):
        self._folder = folder
        self._postgres = postgres.Postgres(folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = str(self.port)
        #: Past it.
        self.server_port = self._postgres.port
        self._bouncer = None

    def start(self):
        self._postgres.start()
        if self._bouncer is None:
            self._start_pooler()

    def _start_pooler(self):
        file = self._folder / "pgbouncer.ini"
        file.write_text(CONFIGURATION.format(server=self._postgres.port, port=self.port))
        # It refuses to run as root, as PostgreSQL does.
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self._bouncer = Process([*prefix, program(), str(file)], dict(os.environ))
        deadline = time.monotonic() + 30
        while "process up" not in self._bouncer.output:
            assert time.monotonic() < deadline, self._bouncer.output
            time.sleep(0.1)

    def restart_pooler(self):
        """Break off all that goes through it, and begin again."""
        # It runs below runuser, which hands SIGTERM on; at SIGTERM it ends at once.
        self._bouncer.end()
        self._start_pooler()

    def tell(self, *commands):
        """Give commands to it, as its administrator; there is none of its own: it believes any."""
        psycopg = importlib.import_module("psycopg")
        where = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "dbname": "pgbouncer"}
        with psycopg.connect(**where, autocommit=True) as connection:
            for command in commands:
                connection.execute(command)

    def stop(self):
        """Stop the server behind it."""
        self._postgres.stop()

    def execute(self, statement, database="postgres"):
        """Run a statement as the administrator, past PgBouncer."""
        return self._postgres.execute(statement, database)

    def end(self):
        if self._bouncer is not None:
            self._bouncer.end()
        self._postgres.end()
