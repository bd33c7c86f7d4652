"""What a database says when an effect of ``once=True`` is to be committed, and who is to blame."""

import contextlib

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    OperationalError,
    connections,
    router,
    transaction,
)

import django_sqs
from django_sqs.inbox.models import ReceivedMessage
from django_sqs.inbox.once import run_once
from django_sqs.message import RawMessage
from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.working.restarting import passes_soon

from ...site.shop.models import Line, Order

pytestmark = pytest.mark.django_db(transaction=True)


def receive(effect):
    """Receive the message of one id."""
    message = RawMessage(body="x")
    message.id = "one and the same"
    return run_once("queue", message, lambda message: effect())


def order():
    return Order.objects.create(title="x")


def line_of_nothing():
    Line.objects.create(order_id=999_999)


@pytest.fixture
def received_by(site, prefix, counts):
    """Receive a message by a queue whose receiver is *effect*; returns what it raised."""
    name = "committing"

    def received_by(effect):
        django_sqs.receivers.close()
        django_sqs.register(name, lambda message: effect(), once=True)
        django_sqs.send(name, body="x")
        with pytest.raises(DatabaseError) as raised:
            django_sqs.queues[name].receive_single()
        assert counts(f"{prefix}__{name}") == (0, 0, 0), "it is neither deleted nor dead-lettered"
        return raised.value

    yield received_by
    django_sqs.receivers.close()
    django_sqs.receivers.queues.pop(name, None)


def test_a_foreign_key_that_fails_at_the_commit_is_the_receivers_own(received_by):
    assert isinstance(received_by(line_of_nothing), IntegrityError)

    assert not ReceivedMessage.objects.exists()
    assert not Line.objects.exists()


TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;
CREATE CONSTRAINT TRIGGER refusing AFTER INSERT ON shop_order
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def refuse_at_commit(connection):
    """Have PostgreSQL do something at the commit of an order."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has triggers at the commit")

    def refuse_at_commit(what):
        with connection.cursor() as cursor:
            cursor.execute(TRIGGER.format(what))

    yield refuse_at_commit
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("RAISE EXCEPTION 'no';", DatabaseError),
        ("RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation';", IntegrityError),
        ("PERFORM 'x'::integer;", DataError),
    ],
)
def test_what_a_trigger_says_at_the_commit_is_the_receivers_own(what, error, refuse_at_commit):
    refuse_at_commit(what)

    with pytest.raises(error):
        receive(order)
    assert not ReceivedMessage.objects.exists()


def test_a_commit_that_meets_another_transaction_is_tried_again(refuse_at_commit):
    refuse_at_commit("RAISE EXCEPTION 'no' USING ERRCODE = 'serialization_failure';")

    with pytest.raises(EnvironmentFailure, match="committed") as raised:
        receive(order)
    assert passes_soon(raised.value)


def test_a_connection_that_breaks_at_the_commit_is_tried_again(refuse_at_commit):
    refuse_at_commit("PERFORM pg_terminate_backend(pg_backend_pid());")

    with pytest.raises(EnvironmentFailure, match="committed"):
        receive(order)


def key_is_taken(connection):
    Order.objects.create(pk=Order.objects.create(title="kept").pk, title="its key is taken")


def in_plain_sql(connection):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop_order (id, title) VALUES (7, 'x')")
        cursor.execute("INSERT INTO shop_order (id, title) VALUES (7, 'x')")


def rolled_back(connection):
    transaction.set_rollback(True, connection.alias)


def closed(connection):
    connection.close()


@pytest.mark.parametrize("spoil", [key_is_taken, in_plain_sql, rolled_back, closed])
def test_what_a_receiver_caught_undoes_nothing_unseen(spoil, connection, received_by):
    """Django, or PostgreSQL, rolls back at the end, and says so to nobody."""

    def effect():
        order()
        with contextlib.suppress(IntegrityError):
            spoil(connection)

    if spoil is closed and connection.vendor == "sqlite":
        pytest.skip("a database in memory is never closed")
    if spoil is in_plain_sql and connection.vendor != "postgresql":
        # It undoes the statement alone.
        receive(effect)
        assert Order.objects.count() == 2
        assert ReceivedMessage.objects.count() == 1
        return
    assert "atomic()" in str(received_by(effect))
    assert not Order.objects.exists()
    assert not ReceivedMessage.objects.exists()


def test_an_outage_that_a_receiver_caught_is_tried_again():
    def effect():
        with contextlib.suppress(OperationalError):
            order_that_is_locked()

    with pytest.raises(EnvironmentFailure, match="locked"):
        receive(effect)
    assert not ReceivedMessage.objects.exists()


def order_that_is_locked():
    with transaction.mark_for_rollback_on_error(router.db_for_write(Order)):
        raise OperationalError("database is locked")


def test_an_error_that_was_caught_around_a_block_of_its_own_harms_nothing():
    kept = Order.objects.create(title="kept")

    def effect():
        order()
        with (
            contextlib.suppress(IntegrityError),
            transaction.atomic(using=router.db_for_write(Order)),
        ):
            Order.objects.create(pk=kept.pk, title="its key is taken")

    receive(effect)
    assert Order.objects.count() == 2
    assert ReceivedMessage.objects.count() == 1


def rolled_back(connection):
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")


def rolled_back_by_sqlite(connection):
    with contextlib.suppress(IntegrityError), connection.cursor() as cursor:
        cursor.execute("INSERT OR ROLLBACK INTO shop_order (id) VALUES (1)")


def rolled_back_by_a_procedure(connection):
    with connection.cursor() as cursor:
        cursor.execute("CALL takes_back()")


#: Statements of some databases alone.
OF = {rolled_back_by_sqlite: "sqlite", rolled_back_by_a_procedure: "mysql"}


@pytest.mark.parametrize("end", [rolled_back, *OF])
def test_a_statement_that_ends_the_transaction_undoes_nothing_unseen(end, connection, received_by):
    if OF.get(end, connection.vendor) != connection.vendor:
        pytest.skip("the server has no such statement")
    if end is rolled_back_by_a_procedure:
        with connection.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE PROCEDURE takes_back() BEGIN ROLLBACK; END")

    def effect():
        order()
        end(connection)

    assert "had ended the transaction" in str(received_by(effect))
    assert not Order.objects.exists()
    assert not ReceivedMessage.objects.exists()


def test_a_statement_that_commits_is_told(connection, received_by):
    def effect():
        order()
        with connection.cursor() as cursor:
            cursor.execute("COMMIT")

    assert "had ended the transaction" in str(received_by(effect))
    # Its effect was had, and is not had again.
    assert Order.objects.count() == 1
    assert ReceivedMessage.objects.count() == 1


def test_a_rollback_to_a_savepoint_ends_nothing(connection):
    def effect():
        order()
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT own")
            order()
            cursor.execute("ROLLBACK TO SAVEPOINT own")

    receive(effect)

    assert Order.objects.count() == 1
    assert ReceivedMessage.objects.count() == 1


def deleted(alias):
    del connections[alias]


def replaced(alias):
    connections[alias] = connections.create_connection(alias)


def closed_and_deleted(alias):
    connections.close_all()
    del connections[alias]


@pytest.mark.parametrize("replace", [deleted, replaced, closed_and_deleted])
@pytest.mark.parametrize("uses_it", [True, False])
def test_a_receiver_that_replaces_its_connection_has_failed(
    replace, uses_it, connection, received_by
):
    def effect():
        order()
        replace(connection.alias)
        if uses_it:
            with connections[connection.alias].cursor() as cursor:
                cursor.execute("SELECT 1")

    assert "had replaced Django's connection" in str(received_by(effect))
    assert connections[connection.alias] is connection
    assert not connection.in_atomic_block
    assert not Order.objects.exists()
    assert not ReceivedMessage.objects.exists()


def test_what_it_raises_then_counts_as_ever(connection, received_by):
    def effect():
        order()
        del connections[connection.alias]
        raise DataError("of its own")

    assert str(received_by(effect)) == "of its own"
    assert connections[connection.alias] is connection
    assert not Order.objects.exists()


def test_a_deadlock_that_a_receiver_caught_is_tried_again(connection):
    if connection.vendor != "mysql":
        pytest.skip("only MariaDB and MySQL undo all of the transaction, and go on")
    statement = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock'"

    def effect():
        with connection.cursor() as cursor:
            with contextlib.suppress(OperationalError):
                cursor.execute(statement)
            # What the server does at a deadlock.
            cursor.execute("ROLLBACK")
        order()

    with pytest.raises(EnvironmentFailure, match="was rolled back") as raised:
        receive(effect)
    assert passes_soon(raised.value)
    assert not Order.objects.exists()
    assert not ReceivedMessage.objects.exists()


def test_what_would_go_on_begins_anew_since_all_is_rolled_back(site, prefix, caplog):
    def receive(message):
        order()
        raise django_sqs.Continue(1)

    queue = django_sqs.register("going_on", receive, once=True)
    queue.send(body="x")
    with pytest.raises(django_sqs.RestartLater) as raised:
        queue.receive_single()

    assert not isinstance(raised.value, django_sqs.Continue)
    assert "with once=True a Continue starts the message over" in caplog.text
    assert not Order.objects.exists()
    assert not ReceivedMessage.objects.exists()
