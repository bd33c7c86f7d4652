"""Receivers that show what their database connections are, or leave them in a bad state."""

import asyncio

from asgiref.sync import sync_to_async
from django.db import connection, connections, router, transaction

import django_sqs
from django_sqs.message import ModelInstanceMessage

from .models import Run

#: What names the connection on the server, and what sleeps there.
OWN_ID = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}
SLEEP = {"postgresql": "SELECT pg_sleep(%s)", "mysql": "SELECT sleep(%s)"}


def ask(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


def connection_id():
    found = OWN_ID.get(connection.vendor)
    return ask(found) if found else id(connection.connection)


def note(queue, body):
    Run.objects.create(queue=queue, body=str(body), message_id="", pid=0, thread="")


def receive_echo(message):
    """Fails where it gets the row of another's query."""
    for _ in range(5):
        answer = ask("SELECT %s", message.get_body())
        if str(answer) != message.get_body():
            raise ValueError(f"{answer} is another's")
    note("echo", message.get_body())


for _name in ("echo1", "echo2", "echo3"):
    django_sqs.register(_name, receive_echo)


@django_sqs.receiver("connected")
def receive_connected(message):
    note("connected", connection_id())


@django_sqs.receiver("leaving", timeout=1)
def receive_leaving(message):
    """Leaves the connections in the state that the body names."""
    body, alias = message.get_body(), router.db_for_write(Run)
    if body == "query":
        ask(SLEEP[connection.vendor], 3)
    elif body == "query in a transaction":
        with transaction.atomic():
            ask(SLEEP[connection.vendor], 3)
    elif body == "open transaction":
        transaction.atomic(alias).__enter__()
        note("leaving", "in it")
    elif body == "closed in a transaction":
        transaction.atomic(alias).__enter__()
        connections[alias].close()
    elif body == "no autocommit":
        transaction.set_autocommit(False, alias)
    else:
        note("leaving", body)


#: Bound to the loop in which it is first awaited.
semaphore = asyncio.Semaphore(1)


@django_sqs.receiver("looping")
async def receive_looping(message):
    """Uses what is kept at module level, and the database in asgiref's own threads."""

    async def hold():
        async with semaphore:
            await asyncio.sleep(0.01)

    await asyncio.gather(hold(), hold())
    for sensitive in (True, False):
        await sync_to_async(connection_id, thread_sensitive=sensitive)()
    loop = id(asyncio.get_running_loop())
    await sync_to_async(note)("looping", loop)


@django_sqs.receiver(
    "rows_of_second",
    message_class=ModelInstanceMessage,
    models=["shop.Order"],
    databases=["second"] if "second" in connections.settings else [],
)
def receive_row_of_second(message):
    order = message.get_instance()
    note("rows_of_second", f"{order._state.db} {order.title}")
