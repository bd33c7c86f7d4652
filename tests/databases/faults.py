"""What can happen to a database while it is used: each takes its server and what uses it."""

import contextlib
import time

from . import direct, kinds, settings

#: What receivers write to.
TABLES = (
    "shop_run",
    "django_sqs_inbox_receivedmessage",
    "django_sqs_results_taskrecord",
    "django_sqs_outbox_outboxmessage",
)


def restart(server, env, seconds):
    """Three times, with a moment in between."""
    for _ in range(3):
        server.stop()
        server.start()
        time.sleep(0.5)


def away(server, env, seconds):
    """Nobody is there."""
    server.stop()
    time.sleep(seconds)
    server.start()


def locked(server, env, seconds):
    """Somebody else holds what receivers write to, for longer than they wait for it."""
    with direct.connection(env) as connection:
        for statement in _lock(env):
            connection.cursor().execute(statement)
        time.sleep(seconds)
        if engine(env) == kinds.MYSQL:
            connection.cursor().execute("UNLOCK TABLES")
        connection.rollback()


def _lock(env):
    # They wait for the transactions that have begun; those wait less long for this one.
    if engine(env) == kinds.POSTGRESQL:
        tables = ", ".join(TABLES)
        return "SET lock_timeout = '60s'", f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"
    if engine(env) == kinds.MYSQL:
        tables = ", ".join(f"{table} WRITE" for table in TABLES)
        return "SET lock_wait_timeout = 60", f"LOCK TABLES {tables}"
    return ("BEGIN IMMEDIATE",)


def serialization(server, env, seconds):
    """Each transaction that meets another one fails: :func:`prepare` has told the database."""


def full(server, env, seconds):
    """There is no connection left to be had, and nobody keeps one."""
    past = {**env, "DB_ADDRESS": str(server.server_port)}
    with contextlib.ExitStack() as stack:
        opened = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                opened.append(stack.enter_context(direct.connection(past)))
            except Exception:
                _end_others(env, opened)
                time.sleep(0.05)


def _end_others(env, opened):
    """End the connections that somebody else has."""
    own = "connection_id()" if engine(env) == kinds.MYSQL else "pg_backend_pid()"
    mine = set()
    for connection in opened:
        cursor = connection.cursor()
        cursor.execute(f"SELECT {own}")
        mine.add(cursor.fetchone()[0])
    cursor = opened[0].cursor()
    name = settings.databases(env)["default"]["NAME"]
    if engine(env) == kinds.MYSQL:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", [name])
        end = "KILL %s"
    else:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name])
        end = "SELECT pg_terminate_backend(%s)"
    for (each,) in cursor.fetchall():
        if each not in mine:
            with contextlib.suppress(Exception):
                cursor.execute(end, [each])
    opened[0].rollback()


def read_only(server, env, seconds):
    """Writes are refused, as by a server that is no longer the first after a failover."""
    past = {**env, "DB_ADDRESS": str(server.server_port)}
    with direct.connection(past) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET default_transaction_read_only = off")
        for state in ("on", "off"):
            cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
            cursor.execute("SELECT pg_reload_conf()")
            time.sleep(seconds if state == "on" else 0)


def pooler(server, env, seconds):
    """PgBouncer is restarted three times, with a moment in between."""
    for _ in range(3):
        server.restart_pooler()
        time.sleep(0.5)


def engine(env):
    """Django's backend of the database that *env* names."""
    return settings.databases(env)["default"]["ENGINE"]


def prepare(server, env, fault):
    """Have the database, or its server, fail soon where it would wait."""
    name = settings.databases(env)["default"]["NAME"]
    said = {
        (kinds.POSTGRESQL, "locked"): f"ALTER DATABASE {name} SET lock_timeout = '300ms'",
        (kinds.POSTGRESQL, "serialization"): (
            f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
        ),
        (kinds.MYSQL, "locked"): "SET GLOBAL lock_wait_timeout = 1",
    }
    if statement := said.get((engine(env), fault)):
        server.execute(statement)


FAULTS = {each.__name__: each for each in (restart, away, locked, serialization, full)}
#: Those that not every kind of database can have.
MORE = {each.__name__: each for each in (read_only, pooler)}
