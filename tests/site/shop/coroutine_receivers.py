"""Receivers that run together on an event loop."""

import asyncio
import os
import threading

from asgiref.sync import sync_to_async
from django.db import router, transaction

import django_sqs

from .database_receivers import connection_id, note
from .models import Run

started = []


@django_sqs.receiver("together", timeout=20)
async def receive_together(message):
    """Waits until so many are started as the body says."""
    started.append(message.id)
    while len(started) < int(message.get_body()):
        await asyncio.sleep(0.01)
    await sync_to_async(note)("together", threading.current_thread().name)


@django_sqs.receiver("called")
async def receive_called(message):
    """Notes where its synchronous code runs, and over which connection."""

    def here():
        return f"{threading.get_ident()} {connection_id()}"

    found = [await sync_to_async(here)() for _ in range(3)]
    await asyncio.gather(*(asyncio.to_thread(here) for _ in range(3)))
    await Run.objects.acreate(
        queue="called", body=" ".join(found), message_id=message.id, pid=os.getpid(), thread=""
    )


@django_sqs.receiver("begun", timeout=60)
async def receive_begun(message):
    """Notes its begin and its end."""
    run = await Run.objects.acreate(
        queue="begun", body=message.get_body(), message_id=message.id, pid=os.getpid(), thread=""
    )
    await asyncio.sleep(float(os.environ.get("TEST_PACE", "0.2")))
    run.finished = True
    await run.asave()


@django_sqs.receiver("transacted", timeout=20)
async def receive_transacted(message):
    """Has a transaction around several calls, and leaves it as the body says."""
    block = transaction.atomic(router.db_for_write(Run))
    await sync_to_async(block.__enter__)()
    await sync_to_async(note)("transacted", message.get_body())
    # Others have their calls meanwhile.
    await asyncio.sleep(0.05)
    if message.get_body() == "committed":
        await sync_to_async(block.__exit__)(None, None, None)
