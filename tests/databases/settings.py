"""Django's settings of the database that the environment names; its server is started for them.

:envvar:`DB` is the kind, :envvar:`DB_ADDRESS` where its server listens, once it does, and
:envvar:`TEST_DATABASE` the database: SQLite's file, or a name.
"""

import atexit
import contextlib
import os
import sys

from . import kinds
from .routers import APPS, REPLICA


def databases(environment):
    """DATABASES."""
    if "TEST_POSTGRES" in environment:
        # A test's own server beside the run's.
        port, _, name = environment["TEST_POSTGRES"].partition("/")
        return {"default": database("postgres", port, name)}
    kind = environment.get("DB") or "sqlite"
    name = environment.get("TEST_DATABASE") or (":memory:" if kind == "sqlite" else "site")
    found = {}
    for alias in aliases(environment):
        suffix = "" if alias == "default" or name == ":memory:" else f"_{alias}"
        found[alias] = database(kind, environment.get("DB_ADDRESS"), name + suffix)
    return found


def aliases(environment):
    """The aliases of the databases."""
    more = sorted(set(APPS.values())) if environment.get("ROUTER") == "apps" else []
    more += [REPLICA] if environment.get("REPLICA") == "1" else []
    more += ["second"] if environment.get("SECOND") == "1" else []
    return ["default", *more]


def database(name, port, database_name):
    """The settings of one database of a kind."""
    kind = kinds.KINDS[name]
    found = {"ENGINE": kind.engine, "NAME": database_name, "OPTIONS": dict(kind.options)}
    if kind.server is not None:
        user = "root" if kind.engine == kinds.MYSQL else "postgres"
        found |= {"HOST": "127.0.0.1", "PORT": port, "USER": user}
    if kind.server is None and "TEST_SQLITE_TIMEOUT" in os.environ:
        # As the documentation advises: what reads first fails at once otherwise, time and again.
        found["OPTIONS"] |= {
            "timeout": float(os.environ["TEST_SQLITE_TIMEOUT"]),
            "transaction_mode": "IMMEDIATE",
        }
    if kind.engine == kinds.MYSQL and "TEST_ISOLATION" in os.environ:
        found["OPTIONS"]["isolation_level"] = os.environ["TEST_ISOLATION"]
    if kind.engine == kinds.POSTGRESQL and "pool" not in kind.options:
        found["CONN_MAX_AGE"] = int(os.environ.get("TEST_CONN_MAX_AGE", "0"))
    return {**found, **kind.more}


def routers(environment):
    """DATABASE_ROUTERS."""
    found = []
    if "TEST_POSTGRES" in environment:
        # It is one database.
        return found
    if environment.get("REPLICA") == "1":
        found.append("tests.databases.routers.StaleReplica")
    if environment.get("ROUTER") == "apps":
        found.append("tests.databases.routers.ByApp")
    return found


def serve():
    """Start the server of this test run, unless that was done; it ends with this process."""
    name = os.environ.get("DB") or "sqlite"
    kind = kinds.KINDS[name]
    if kind.lacks:
        raise SystemExit(f"DB={name}: {kind.lacks}")
    if kind.driver == "psycopg2":
        # Django takes psycopg 3 wherever it is installed.
        sys.modules["psycopg"] = None
    if kind.server is None or "DB_ADDRESS" in os.environ:
        return
    stack = contextlib.ExitStack()
    os.environ["DB_ADDRESS"] = stack.enter_context(kinds.running(name)).address
    atexit.register(_close, stack, os.getpid())


def _close(stack, process):
    # Not in what was forked from it.
    if os.getpid() == process:
        stack.close()


if "TEST_POSTGRES" not in os.environ:
    serve()
DATABASES = databases(os.environ)
DATABASE_ROUTERS = routers(os.environ)
