"""Tasks of the tests in this process."""

import asyncio
import contextvars
import threading

import django
from django.db import OperationalError, connection, transaction

from django_sqs import Continue, cursor

if django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task

#: What a task calls when it runs.
calls = []
#: What a task knows of itself.
marks = contextvars.ContextVar("marks")


@task
def double(number):
    calls.append(number)
    return number * 2


@task
def returns(text):
    return {text: [text]}


@task
def fails(text):
    raise ValueError(text)


@task
def fails_like_a_generator():
    raise GeneratorExit


class Odd(Exception):
    @property
    def __class__(self):
        raise ZeroDivisionError("odd")


@task
def fails_oddly():
    raise Odd


@task
async def fails_in_a_group(text):
    async def fail():
        raise ValueError(text)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())


@task
def changes_its_arguments(numbers):
    numbers.append(numbers)


@task(takes_context=True)
def reads_its_result(context):
    found = context.task_result
    found.refresh()
    return [found.status, found.attempts]


@task(takes_context=True)
def meets_a_lock(context):
    if context.attempt < 4:
        raise OperationalError("database is locked")
    return "done"


@task
def hides_the_table():
    """The table of results is away until a second later."""
    rename("django_sqs_results_taskrecord", "hidden")
    threading.Timer(1.0, rename, ["hidden", "django_sqs_results_taskrecord"]).start()


def rename(old, new):
    from django.db import connections, router

    from django_sqs.results.models import TaskRecord

    connection = connections[router.db_for_write(TaskRecord)]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
    if threading.current_thread() is not threading.main_thread():
        connection.close()


def plain():
    """Decorated under another name than its own."""


renamed = task(plain)


@task
def interrupts():
    """Not by Ctrl-C."""
    raise KeyboardInterrupt


@task
def goes_on():
    calls.append(cursor())
    if (cursor() or 0) < 3:
        raise Continue((cursor() or 0) + 1)
    return "done"


@task
async def waits(seconds, number):
    marks.set(number)
    await asyncio.sleep(seconds)
    return [number, marks.get(), threading.current_thread().name]


@task(takes_context=True)
async def fails_at_first(context, text):
    await asyncio.sleep(0)
    if context.attempt == 1:
        raise ValueError(text)
    return context.attempt


@task
def in_a_thread():
    calls.append(connection.in_atomic_block)
    return threading.current_thread().name


@task
def leaves_open():
    """Returns within a transaction."""
    block = transaction.atomic()
    block.__enter__()
    calls.append(block)
