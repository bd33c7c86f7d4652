"""What can happen to a database while it is used: each takes its server, what uses it,
and how long it lasts."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import direct, kinds, settings

#: Seconds after which a fault that nobody notices is over.
MOST = 60

#: What receivers write to.
TABLES = (
    "shop_run",
    "django_sqs_inbox_receivedmessage",
    "django_sqs_results_taskrecord",
    "django_sqs_outbox_outboxmessage",
)


@dataclass(frozen=True)
class Span:
    """How long a fault lasts: for so many seconds, and until something has failed for it.

    Where the machine is busy, what lasts for its seconds only may be over before it is noticed.
    """

    seconds: float
    has_bitten: Callable[[], bool]

    def moments(self, pause: float = 0.05) -> Iterator[None]:
        """Come again and again, with a pause, while it lasts."""
        began = time.monotonic()
        while True:
            lasted = time.monotonic() - began
            if lasted >= MOST or (lasted >= self.seconds and self.has_bitten()):
                return
            yield
            time.sleep(pause)

    def wait(self) -> None:
        """Wait until it is over."""
        for _ in self.moments():
            pass


def restart(server, env, span):
    """Three times or more, with a moment in between."""
    _again_and_again(span, lambda: (server.stop(), server.start()))


def _again_and_again(span, break_off):
    for _ in range(3):
        break_off()
        time.sleep(0.5)
    for _ in Span(0, span.has_bitten).moments(0.5):
        break_off()


def away(server, env, span):
    """Nobody is there."""
    server.stop()
    span.wait()
    server.start()


def locked(server, env, span):
    """Somebody else holds what receivers write to, for longer than they wait for it."""
    with direct.connection(env) as connection:
        for statement in _lock(env):
            connection.cursor().execute(statement)
        span.wait()
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


def serialization(server, env, span):
    """Each transaction that meets another one fails: :func:`prepare` has told the database."""


def full(server, env, span):
    """There is no connection left to be had, and nobody keeps one."""
    past = {**env, "DB_ADDRESS": str(server.server_port)}
    with contextlib.ExitStack() as stack:
        opened = []

        def take_all():
            with contextlib.suppress(Exception):
                while True:
                    opened.append(stack.enter_context(direct.connection(past)))
            try:
                _end_others(env, opened)
            except Exception:
                # Its own connection was lost; the next time another one serves.
                del opened[:1]

        # That takes a while; only then the fault begins.
        take_all()
        for _ in span.moments():
            take_all()


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


def read_only(server, env, span):
    """Writes are refused, as by a server that is no longer the first after a failover."""
    past = {**env, "DB_ADDRESS": str(server.server_port)}
    with direct.connection(past) as connection:
        if engine(env) == kinds.MYSQL:
            # The administrator may write whatever read_only says, and so the tests' user.
            server.execute("SET GLOBAL tx_read_only = ON")
            _end_others(env, [connection])
            span.wait()
            server.execute("SET GLOBAL tx_read_only = OFF")
            return
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET default_transaction_read_only = off")
        for state in ("on", "off"):
            cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
            cursor.execute("SELECT pg_reload_conf()")
            if state == "on":
                span.wait()


def failover(server, env, span):
    """Whoever connects meanwhile may only read, as from a replica, for as long as they stay."""
    name = settings.databases(env)["default"]["NAME"]
    with direct.connection({**env, "DB_ADDRESS": str(server.server_port)}) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        _end_others(env, [connection])
        span.wait()
        cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def pooler(server, env, span):
    """PgBouncer is restarted three times or more, with a moment in between."""
    _again_and_again(span, server.restart_pooler)


def paused(server, env, span):
    """PgBouncer is paused, as for maintenance: the server restarts, it is reloaded, and resumes."""
    server.tell("PAUSE")
    server.stop()
    server.start()
    server.tell("RELOAD")
    # Who waits for longer than query_wait_timeout is sent away.
    span.wait()
    server.tell("RESUME")


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
MORE = {each.__name__: each for each in (read_only, failover, pooler, paused)}
