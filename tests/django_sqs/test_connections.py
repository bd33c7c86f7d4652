"""Receivers' database connections: their own, kept, whole after a timeout, and a test's alone."""

import os
import threading
import time
from contextlib import nullcontext

import pytest
from django.core.management import call_command
from django.db import (
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    router,
    transaction,
)
from django.test import TestCase

import django_sqs
from django_sqs.connections import (
    around_message,
    before_pause,
    close_before_fork,
    is_read_only,
    used_here,
    writing_apart,
)
from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.testing import captured

from ..databases import direct, kinds, settings
from ..site.shop.models import Order, Run

KIND = os.environ.get("DB") or "sqlite"
SERVER = kinds.KINDS[KIND].server is not None
needs_server = pytest.mark.skipif(not SERVER, reason="it asks the database's server")


@pytest.fixture
def send(site):
    """Send bodies to a queue of this test's project."""
    django_sqs.receivers.close()
    yield django_sqs.send_many
    django_sqs.receivers.close()


@pytest.fixture(scope="module")
def own_server():
    """PostgreSQL, whatever the kind of this run."""
    with kinds.running("pool") as server:
        yield server


#: Each has a thread of its own, which keeps what it is given until it has nothing to write.
WRITERS = """
from django.db import connections, router
from django_sqs.failures.models import Failure
from django_sqs.failures.writing import FailureWriter
from django_sqs.results.begins import BeginWriter
from django_sqs.results.ends import EndWriter
from django_sqs.results.models import TaskRecord as Task

for writer, model in (FailureWriter(), Failure), (BeginWriter(), Task), (EndWriter(), Task):
    used = connections[router.db_for_write(model)]
    used.ensure_connection()
    writer.write([])
    print(type(writer).__name__, "has a connection" if used.connection else "has none")
for used in connections.all():
    used.close_pool()
"""


def test_who_writes_for_others_gives_back_what_the_others_wait_for(own_server, project):
    project.use("pool", own_server.address)

    done = project.run("shell", "-v", "0", "-c", WRITERS)

    assert done.output.count("has none") == 3, done.output


def test_each_forked_process_has_a_pool_of_its_own(own_server, project, send, eventually):
    project.use("pool", own_server.address)
    queues = ("echo1", "echo2", "echo3")
    for queue in queues:
        send(queue, [f"{queue} {n}" for n in range(40)])
    asked = "from django.db import connection; connection.cursor().execute('SELECT 1')"
    command = f"call_command('runreceiver', *{queues!r}, threads=2)"
    worker = project.start(
        "shell", "-c", f"{asked}\nfrom django.core.management import call_command\n{command}"
    )

    eventually(
        lambda: len(project.runs("echo")) >= 120 or "its receiver fail" in worker.output, timeout=60
    )

    assert "its receiver fail" not in worker.output
    assert "tried again" not in worker.output
    wanted = {f"{queue} {n}" for queue in queues for n in range(40)}
    assert set(project.bodies("echo")) == wanted


@needs_server
def test_connections_are_kept_from_message_to_message(project, send, eventually):
    send("connected", list("abcdefghij"))
    project.start("runreceiver", "connected")
    eventually(lambda: len(project.runs("connected")) == 10, timeout=30)

    # PgBouncer gives each transaction any of its own, and a pool what it has.
    most = 10 if KIND == "pgbouncer" else 1
    assert len(set(project.bodies("connected"))) <= most


@needs_server
@pytest.mark.skipif(KIND in ("pool", "pgbouncer"), reason="the pool keeps them")
def test_the_setting_has_them_closed_after_each_message(project, send, eventually):
    send("connected", list("abcde"))
    project.start("runreceiver", "connected", TEST_CONN_KEPT="0")
    eventually(lambda: len(project.runs("connected")) == 5, timeout=30)

    assert len(set(project.bodies("connected"))) == 5


STATES = ["open transaction", "closed in a transaction", "no autocommit"]
SLEEPS = ["query", "query in a transaction"]


@pytest.mark.parametrize("age", ["0", "60"])
@pytest.mark.parametrize("threads", [1, 2])
def test_no_message_harms_the_connection_of_the_next(threads, age, project, send, eventually):
    # SQLite computes, and is not interrupted.
    states = [*STATES, *(SLEEPS if SERVER else [])]
    bodies = [body for state in states for body in (state, f"after {state}")]
    worker = project.start("runreceiver", "leaving", f"--threads={threads}", TEST_CONN_MAX_AGE=age)
    for body in bodies:
        send("leaving", [body])
    wanted = {f"after {state}" for state in states}

    eventually(lambda: wanted <= set(project.bodies("leaving")), timeout=60)

    assert set(project.bodies("leaving")) == wanted
    # With two threads a sleeper ends later than what came after it.
    most = len(SLEEPS) if SERVER else 0
    eventually(lambda: worker.output.count("its receiver too long") >= most)
    assert worker.output.count("its receiver too long") == most
    # What left a transaction open has failed, and nothing that came after it.
    # It may be the last that runs.
    eventually(lambda: worker.output.count("its receiver fail") >= 2)
    assert worker.output.count("its receiver fail") == 2
    assert worker.output.count("TransactionLeftOpen") >= 2


def test_asynchronous_receivers_keep_their_loop(project, send, eventually):
    worker = project.start("runreceiver", "looping")
    send("looping", map(str, range(30)))
    eventually(
        lambda: len(project.runs("looping")) >= 30 or "its receiver fail" in worker.output,
        timeout=60,
    )

    assert "its receiver fail" not in worker.output
    assert len(set(project.bodies("looping"))) == 1


@pytest.mark.skipif("ROUTER" in os.environ or "REPLICA" in os.environ, reason="counts one's")
@pytest.mark.parametrize(("kept", "connects"), [(None, range(1, 10)), ("0", range(60, 80))])
def test_the_server_counts_what_a_worker_connects(
    kept, connects, own_server, project, send, counts, eventually
):
    """60 messages, and what runs beside them: with SQS_CONN_MAX_AGE = 0 one for each message."""
    project.use("postgres", own_server.address)
    name = settings.databases(project.env)["default"]["NAME"]

    def sessions():
        # From another database, whose sessions are not these.
        statement = f"SELECT sessions FROM pg_stat_database WHERE datname = '{name}'"
        return int(own_server.execute(statement))

    send("connected", map(str, range(60)))
    # The server counts a session when it has a moment.
    time.sleep(1)
    before = sessions()
    worker = project.start("runreceiver", "connected", **({"TEST_CONN_KEPT": kept} if kept else {}))
    eventually(lambda: counts(f"{project.prefix}__connected") == (0, 0, 0), timeout=60)
    worker.end()

    eventually(lambda: sessions() - before in connects, timeout=10)
    assert own_server.execute("SELECT count(*) FROM shop_run", name).strip() == "60"


BACKEND = "SELECT connection_id()" if KIND.startswith("maria") else "SELECT pg_backend_pid()"
READ_ONLY = (
    "SET SESSION TRANSACTION READ ONLY"
    if KIND.startswith("maria")
    else "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
)
changes_its_session = pytest.mark.skipif(
    not SERVER or KIND == "pgbouncer", reason="it changes the session"
)


def ask(used, statement):
    with used.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


@changes_its_session
@pytest.mark.parametrize("around", [nullcontext, transaction.atomic])
@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_connection_to_what_is_read_only_is_closed(around):
    """The server was the first before a failover: the next connection finds the new one."""
    used = connections[router.db_for_write(Run)]
    used.ensure_connection()

    with around_message():
        before = ask(used, BACKEND)
        assert not is_read_only(used)
        ask(used, READ_ONLY)
        with (
            pytest.raises((InternalError, OperationalError), match=r"(?i)read.only"),
            around(*([used.alias] if around is transaction.atomic else [])),
        ):
            Run.objects.create(queue="q", body="x", message_id="", pid=0, thread="")
        assert is_read_only(used)

    assert ask(used, BACKEND) != before
    assert Run.objects.create(queue="q", body="x", message_id="", pid=0, thread="").pk


@changes_its_session
@pytest.mark.django_db(transaction=True, databases="__all__")
def test_what_writes_apart_keeps_no_connection_whose_transaction_failed():
    used = connections[router.db_for_write(Run)]
    before = ask(used, BACKEND)
    with (
        pytest.raises(OperationalError),
        writing_apart(used.alias),
        transaction.atomic(used.alias),
    ):
        raise OperationalError("read-only")

    assert ask(used, BACKEND) != before


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_around_the_queries_of_a_thread():
    with around_message(), around_message():
        Run.objects.count()
    assert connection.execute_wrappers == []


@pytest.mark.django_db(transaction=True)
def test_nor_where_a_connection_cannot_be_closed_before_it(monkeypatch):
    other = connections.create_connection(connection.alias)

    def close(each, kept):
        if each is other:
            raise OperationalError("away")

    connection.ensure_connection()
    monkeypatch.setattr("django_sqs.connections._close_if_obsolete", close)
    monkeypatch.setattr("django_sqs.connections.used_here", lambda: [connection, other])
    with around_message():
        pass
    assert connection.execute_wrappers == []


@pytest.fixture
def broken(monkeypatch):
    """A connection that cannot be closed."""

    broken = connections.create_connection(connection.alias)
    close = broken._close

    def not_closed():
        # Else a pool would never have it back.
        close()
        raise OperationalError("the server has gone away")

    with monkeypatch.context() as patch:
        patch.setattr(broken, "_close", not_closed)
        patch.setattr(broken, "is_in_memory_db", lambda: False, raising=False)
        yield broken
    broken.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("errors", [False, True])
def test_one_that_cannot_be_closed_before_a_message_costs_it_nothing(errors, broken, monkeypatch):
    monkeypatch.setattr("django_sqs.connections.used_here", lambda: [broken])
    broken.ensure_connection()
    if errors:
        # It does not answer, so Django closes it.
        broken.errors_occurred = True
        monkeypatch.setattr(broken, "is_usable", lambda: False)
    else:
        broken.close_at = time.monotonic() - 100_000

    with around_message():
        assert broken.connection is None
        with broken.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("leave", [before_pause, close_before_fork])
def test_nor_before_a_pause_or_a_fork(leave, broken, monkeypatch):
    other = connections.create_connection(connection.alias)
    monkeypatch.setattr(other, "is_in_memory_db", lambda: False, raising=False)
    monkeypatch.setattr("django_sqs.connections.used_here", lambda: [broken, other])
    for each in broken, other:
        each.ensure_connection()
        each.close_at = time.monotonic() - 1

    leave()

    assert broken.connection is other.connection is None


@pytest.mark.django_db(transaction=True)
def test_one_that_cannot_be_closed_leaves_no_transaction_of_another_open(broken, monkeypatch):
    other = connections.create_connection(connection.alias)
    monkeypatch.setattr("django_sqs.connections.used_here", lambda: [broken, other])

    with around_message(close=True):
        broken.ensure_connection()
        other.ensure_connection()
        other.in_atomic_block = True

    assert not other.in_atomic_block
    assert broken.connection is None
    other.close()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_what_is_received_within_a_message_hides_no_refusal_of_it(monkeypatch):
    """As in eager mode: what Django notes of it is gone with the rollback."""
    asked = []
    monkeypatch.setattr("django_sqs.connections._is_of_no_use", asked.append)
    Run.objects.count()
    used = connections[router.db_for_read(Run)]

    def refused():
        with transaction.atomic(used.alias):
            with around_message():
                pass
            ask(used, "SELECT a FROM nowhere")

    with around_message():
        with pytest.raises((OperationalError, ProgrammingError)):
            refused()
        with around_message():
            pass

    assert used in asked


@pytest.mark.skipif("REPLICA" in os.environ, reason="it has two connections")
@pytest.mark.skipif(KIND not in ("postgres", "pool"), reason="psycopg 3 alone prepares")
@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_statement_that_was_prepared_fails_no_second_message(monkeypatch):
    """A migration has changed the type of a column since."""
    used = connections[router.db_for_write(Run)]
    used.close()
    monkeypatch.setitem(
        used.settings_dict, "OPTIONS", {"server_side_binding": True, "prepare_threshold": 0}
    )

    migrating = connections.create_connection(used.alias)
    ask(migrating, "CREATE TABLE typed AS SELECT 1 AS a")

    def receive():
        with around_message():
            ask(used, "SELECT a FROM typed")

    try:
        receive()
        ask(migrating, "ALTER TABLE typed ALTER a TYPE text")
        with pytest.raises(NotSupportedError, match="cached plan"):
            receive()
        receive()
    finally:
        ask(migrating, "DROP TABLE typed")
        migrating.close()
        used.close()


@needs_server
def test_threads_of_asynchronous_receivers_leave_no_connections(project, send, eventually):
    project.start("runreceiver", "looping", "connected")
    send("looping", map(str, range(30)))
    eventually(lambda: len(project.runs("looping")) == 30, timeout=60)

    found = settings.databases(project.env)["default"]
    statement = (
        "SELECT count(*) AS n FROM information_schema.processlist WHERE db = ?"
        if found["ENGINE"] == kinds.MYSQL
        else "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = ?"
    )
    assert direct.rows(project.env, statement, found["NAME"])[0]["n"] < 15


@pytest.mark.skipif("ROUTER" in os.environ or "REPLICA" in os.environ, reason="has others")
def test_rows_are_read_where_they_were_written(project, eventually):
    project.env["SECOND"] = "1"
    if not SERVER:
        project.database.unlink()
    else:
        direct.create(project.env, "second")
    project.migrate()
    done = project.run(
        "shell",
        "-c",
        """
import django_sqs
from django_sqs_kombu.exceptions import SQSError
from tests.site.shop.models import Order
Order.objects.create(title="of default")
order = Order.objects.using("second").create(title="of second")
django_sqs.send("rows_of_second", instance=order)
django_sqs.send_many("rows_of_second", [order])
for send in (lambda: django_sqs.send("rows", instance=order),
             lambda: django_sqs.send_many("rows", [order])):
    try: send()
    except SQSError as exc: print("REFUSED", exc)
""",
    )
    assert done.output.count("REFUSED") == 2, done.output
    assert "databases=['second']" in done.output
    project.start("runreceiver", "rows_of_second")

    eventually(lambda: project.bodies("rows_of_second") == ["second of second"] * 2, timeout=30)


def test_databases_are_named_by_a_list():
    with pytest.raises(ConfigurationError, match="databases must be a list"):
        django_sqs.register("wrong", databases="second")


def test_the_connections_of_a_thread_are_those_that_django_knows_of():
    found = []

    def look():
        found.append(used_here())
        own = connections["default"]
        found.append(used_here() == connections.all(initialized_only=True) == [own])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert found == [[], True]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_was_open_before_is_left_alone():
    with transaction.atomic():
        run = Run.objects.create(queue="q", body="x", message_id="", pid=0, thread="")
        with around_message(close=True, timeout=0.001):
            assert connection.in_atomic_block
        with around_message():
            pass
        assert Run.objects.filter(pk=run.pk).exists()
    assert Run.objects.filter(pk=run.pk).exists()


class TestInATestCase(TestCase):
    """Receivers run within the transaction of a TestCase."""

    databases = "__all__"

    @pytest.fixture(autouse=True)
    def _site(self, site, sqs, prefix, counts):
        self.prefix = prefix
        self.counts = counts
        django_sqs.receivers.close()

    def setUp(self):
        self.addCleanup(django_sqs.receivers.close)
        Run.objects.create(queue="mine", body="x", message_id="", pid=0, thread="")

    def tearDown(self):
        assert Run.objects.filter(queue="mine").count() == 1

    def test_receive_single_leaves_its_connection(self):
        django_sqs.send("plain", body="single")
        django_sqs.queues["plain"].receive_single()

        assert Run.objects.get(queue="plain").body == "single"

    def test_runreceiver_leaves_its_connection(self):
        django_sqs.send("once", body="called")
        call_command("runreceiver", "once", message_limit=1)

        assert Run.objects.get(queue="once").body == "called"

    def test_once_has_its_effect_in_eager_mode(self):
        with self.settings(SQS_EAGER=True), transaction.atomic():
            django_sqs.send("once", body="eager")

        assert Run.objects.get(queue="once").body == "eager"

    def test_a_row_is_sent_at_once_where_nothing_will_be_committed(self):
        order = Order.objects.create(title="x")
        with captured(django_sqs.receivers) as sent:
            django_sqs.send("rows", instance=order)
            assert len(sent) == 1
            with transaction.atomic(router.db_for_write(Order)):
                django_sqs.send("rows", instance=order)
                assert len(sent) == 1
                django_sqs.send("rows", instance=order, on_commit=False)
            assert len(sent) == 2


@pytest.mark.django_db(transaction=True)
def test_runreceiver_runs_in_a_thread(site, prefix, counts):
    ended = []
    django_sqs.receivers.close()

    def run():
        call_command("runreceiver", "light", message_limit=1)
        ended.append(True)

    django_sqs.send("light", body="x")
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    django_sqs.receivers.close()

    assert ended == [True]
    assert counts(f"{prefix}__light") == (0, 0, 0)
