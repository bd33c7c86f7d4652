"""The kinds of databases: what Django's settings say of each, and the server that it needs."""

import contextlib
import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .. import postgres
from . import mariadb, pgbouncer

POSTGRESQL, MYSQL = "django.db.backends.postgresql", "django.db.backends.mysql"


@dataclass(frozen=True)
class Kind:
    """A kind of database.

    :param engine: Django's backend.
    :param driver: the module of its driver.
    :param server: makes the server in a folder; None: there is none, but a file.
    :param missing: says what the system lacks for it, if anything.
    :param options: the OPTIONS of its settings.
    :param more: further settings of it.
    """

    engine: str
    driver: str
    server: Callable[[Path], object] | None = None
    missing: Callable[[], str | None] = lambda: None
    options: dict = field(default_factory=dict)
    more: dict = field(default_factory=dict)

    @property
    def lacks(self):
        """Why it cannot be had here, or None."""
        if any(importlib.util.find_spec(name) is None for name in self.driver.split()):
            return f"{self.driver} is not installed"
        return self.missing()


def mysql(isolation):
    return Kind(
        MYSQL,
        "MySQLdb",
        mariadb.MariaDB,
        mariadb.missing,
        {"isolation_level": isolation},
    )


#: By the name that the environment variable ``DB`` gives them.
KINDS = {
    "sqlite": Kind("django.db.backends.sqlite3", "sqlite3", options={"timeout": 20}),
    "postgres": Kind(POSTGRESQL, "psycopg", postgres.Postgres, postgres.missing),
    "pool": Kind(
        POSTGRESQL,
        "psycopg psycopg_pool",
        postgres.Postgres,
        postgres.missing,
        {"pool": {"min_size": 1, "max_size": 4, "timeout": 10}},
    ),
    "psycopg2": Kind(POSTGRESQL, "psycopg2", postgres.Postgres, postgres.missing),
    "pgbouncer": Kind(
        POSTGRESQL,
        "psycopg",
        pgbouncer.PgBouncer,
        pgbouncer.missing,
        # What Django's documentation asks for behind a pooler of transactions.
        more={"DISABLE_SERVER_SIDE_CURSORS": True},
    ),
    "mariadb": mysql("read committed"),
    "mariadb-rr": mysql("repeatable read"),
}


@contextlib.contextmanager
def running(name):
    """The server of a kind, or a skip where it cannot be had."""
    kind = KINDS[name]
    if kind.lacks:
        import pytest

        pytest.skip(kind.lacks)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        server = kind.server(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.end()
