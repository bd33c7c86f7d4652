"""A connection to the test project's database past Django, to look at what is there."""

import contextlib
import importlib

from . import settings
from .kinds import MYSQL


@contextlib.contextmanager
def connection(environment, alias="default"):
    """A connection of Python's database interface to what *environment* names."""
    found = settings.databases(environment)[alias]
    opened = _connect(found)
    try:
        yield opened
    finally:
        opened.close()


def rows(environment, statement, *values, alias="default"):
    """The rows that a statement with ``?`` finds: dicts."""
    with connection(environment, alias) as opened:
        cursor = opened.cursor()
        if "sqlite" not in type(opened).__module__:
            statement = statement.replace("?", "%s")
        cursor.execute(statement, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def create(environment, alias="default", template=None):
    """Create the database, where it is not a file.

    :param template: the name of a database of PostgreSQL that it is a copy of.
    """
    found = settings.databases(environment)[alias]
    if found["ENGINE"].endswith("sqlite3"):
        return
    name = found["NAME"]
    opened = _connect({**found, "NAME": "mysql" if found["ENGINE"] == MYSQL else "postgres"})
    try:
        if found["ENGINE"] != MYSQL:
            opened.autocommit = True
        opened.cursor().execute(
            f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")
        )
    finally:
        opened.close()


def _connect(found):
    engine = found["ENGINE"].rpartition(".")[2]
    if engine == "sqlite3":
        return importlib.import_module("sqlite3").connect(found["NAME"], timeout=20)
    where = {"host": found["HOST"], "port": int(found["PORT"]), "user": found["USER"]}
    if engine == "mysql":
        return importlib.import_module("MySQLdb").connect(**where, database=found["NAME"])
    try:
        driver = importlib.import_module("psycopg")
    except ImportError:
        driver = importlib.import_module("psycopg2")
    return driver.connect(**where, dbname=found["NAME"])
