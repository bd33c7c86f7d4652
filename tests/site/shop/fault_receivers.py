"""Receivers of every kind that use the database, for its faults."""

import os
import time
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.db import router, transaction

import django_sqs
from django_sqs.message import ModelInstanceMessage

from .database_receivers import note
from .models import Run


def read_and_write(queue, body):
    """What two at once cannot both do in serializable transactions; it takes its while."""
    time.sleep(float(os.environ.get("TEST_PACE", "0")))
    with transaction.atomic(using=router.db_for_write(Run)):
        Run.objects.filter(queue=queue).count()
        time.sleep(0.02)
        note(queue, body)


@django_sqs.receiver("fault_plain")
def receive_fault_plain(message):
    read_and_write("fault_plain", message.get_body())


@django_sqs.receiver("fault_once", once=True)
def receive_fault_once(message):
    read_and_write("fault_once", message.get_body())


@django_sqs.receiver("fault_outbox", once=True)
def receive_fault_outbox(message):
    """Its effect is a message, which the relay sends."""
    body = message.get_body()
    read_and_write("fault_outbox", body)
    django_sqs.send("fault_plain", body=f"outbox {body}", outbox=True)


@django_sqs.receiver("fault_row", message_class=ModelInstanceMessage, models=["shop.Order"])
def receive_fault_row(message):
    read_and_write("fault_row", message.get_instance().title)


@django_sqs.receiver("fault_batch", batch=5, wait=0.5, once=True)
def receive_fault_batch(messages):
    for message in messages:
        read_and_write("fault_batch", message.get_body())


@django_sqs.receiver("fault_async")
async def receive_fault_async(message):
    await sync_to_async(read_and_write)("fault_async", message.get_body())


if "TEST_SLOTS" in os.environ:
    # Not for every worker of this site: what they send would be in the way.
    @django_sqs.receiver("fault_slot", every=timedelta(seconds=3), once=True)
    def receive_fault_slot(message):
        note("fault_slot", message.get_body())
