"""Errors of the database that a receiver with ``once=True`` caught as it is told to."""

import contextlib
import threading

import pytest
from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)

from django_sqs.inbox.models import ReceivedMessage
from django_sqs.inbox.once import run_all_once
from django_sqs.message import RawMessage
from django_sqs_kombu.exceptions import EnvironmentFailure

from ...site.shop.models import Order

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def block(connection):
    """A block of the receiver's own, inside the try, as the documentation has it."""

    @contextlib.contextmanager
    def block():
        with contextlib.suppress(DatabaseError), transaction.atomic(using=connection.alias):
            yield

    return block


def receive(effect, count=1):
    messages = [RawMessage(body=str(number)) for number in range(count)]
    for message in messages:
        message.id = f"message {message.get_body()}"
    return run_all_once("queue", messages, lambda messages: effect())


def kill(connection):
    """End the connection, as a server that is restarted does."""
    statements = {
        "postgresql": "SELECT pg_terminate_backend(pg_backend_pid())",
        "mysql": "KILL CONNECTION_ID()",
    }
    if connection.vendor not in statements:
        pytest.skip("there is no server")
    with connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor])


def deadlock(connection):
    """Wait for a transaction that waits for this one, and is the heavier of the two."""
    if connection.vendor != "mysql":
        pytest.skip("PostgreSQL undoes the block alone, and SQLite has no deadlocks")
    first, second = (Order.objects.get(title=title) for title in ("first", "second"))
    locked, ended = threading.Event(), []

    def other():
        try:
            with transaction.atomic(using=connection.alias):
                Order.objects.bulk_create([Order(title="heavy")] * 200)
                lock(second)
                locked.set()
                lock(first)
        except OperationalError as exc:
            ended.append(exc)
        finally:
            connections[connection.alias].close()

    lock(first)
    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert locked.wait(10)
        lock(second)
    finally:
        thread.join(20)
    if ended:
        pytest.skip("the server has undone the other one")


def lock(order):
    Order.objects.select_for_update().get(pk=order.pk)


@pytest.fixture
def orders():
    for title in ("first", "second"):
        Order.objects.create(title=title)


def in_a_block(block, fail, connection):
    with block():
        fail(connection)


def and_goes_on(block, fail, connection):
    in_a_block(block, fail, connection)
    Order.objects.create(title="after that")


def without_a_block(block, fail, connection):
    with contextlib.suppress(DatabaseError), transaction.atomic(connection.alias, savepoint=False):
        fail(connection)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("fail", [kill, deadlock])
@pytest.mark.parametrize("catch", [in_a_block, and_goes_on, without_a_block])
def test_a_failure_of_the_server_that_a_receiver_caught_costs_no_message(
    catch, fail, count, connection, block, orders
):
    # SQS_RETRY_ON names what a driver says of a connection that is closed, as PostgreSQL's do.
    with pytest.raises((EnvironmentFailure, OperationalError, InterfaceError)):
        receive(lambda: catch(block, fail, connection), count)
    connection.close()
    assert not ReceivedMessage.objects.exists()
    assert Order.objects.count() == 2 + 200 * (fail is deadlock)


def test_a_receiver_goes_on_after_an_error_in_a_block_of_its_own(connection, block):
    def effect():
        with block(), connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")
        Order.objects.create(title="after that")

    receive(effect)
    assert Order.objects.count() == ReceivedMessage.objects.count() == 1


def missing_table_then_rollback(connection, block):
    """What failed was rolled back well, and is not why all is."""
    with block(), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    transaction.set_rollback(True, connection.alias)


def taken_key_without_a_block(connection, block):
    with contextlib.suppress(IntegrityError), transaction.atomic(connection.alias, savepoint=False):
        Order.objects.create(pk=Order.objects.create(title="kept").pk)


def taken_key_and_on(connection, block):
    """The server says of what comes after it only that something failed before."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL refuses what comes then")
    with connection.cursor() as cursor:
        for statement in ("INSERT INTO shop_order (id, title) VALUES (7, 'x')",) * 2, ("SELECT 1",):
            for each in statement:
                with contextlib.suppress(DatabaseError):
                    cursor.execute(each)


@pytest.mark.parametrize(
    "spoil", [missing_table_then_rollback, taken_key_without_a_block, taken_key_and_on]
)
def test_what_a_receiver_spoiled_itself_is_not_tried_for_ever(spoil, connection, block):
    with pytest.raises(transaction.TransactionManagementError, match="of their own"):
        receive(lambda: spoil(connection, block))
    assert not ReceivedMessage.objects.exists()


def test_a_receiver_may_change_what_watches_its_statements(connection):
    receive(connection.execute_wrappers.clear)

    assert ReceivedMessage.objects.count() == 1
