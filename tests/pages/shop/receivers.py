"""What the shop receives."""

import os
import time

import django_sqs
from django_sqs.message import JSONMessage

#: Of a currency each; the others are the failures that the pages show.
RATES = {"EUR": 1.0, "USD": 1.1}


@django_sqs.receiver(
    "orders",
    message_class=JSONMessage,
    once=True,
    dead_letter=(LookupError,),
    dead_letter_queue="orders-dead",
)
def pack_order(message):
    """Packs what was ordered in a currency that the shop takes."""
    return message["price"] / RATES[message["currency"]]


@django_sqs.receiver("invoices")
def print_invoice(message):
    """Takes until the file is there that the body names."""
    deadline = time.monotonic() + 120
    while not os.path.exists(message.get_body()) and time.monotonic() < deadline:
        time.sleep(0.05)


@django_sqs.receiver("mails", message_class=JSONMessage)
def send_mail(message):
    """Sends nothing, and knows what no address is."""
    if "@" not in message["to"]:
        raise ValueError(f"no address: {message['to']}")


@django_sqs.receiver("stock.fifo", message_class=JSONMessage)
def count_stock(message):
    """Counts nothing."""


@django_sqs.receiver("thumbnails", message_class=JSONMessage)
def make_thumbnail(message):
    """Makes nothing: no worker receives from it."""


@django_sqs.receiver("newsletter", cron="0 8 * * mon", timezone="Europe/Berlin")
def send_newsletter(message):
    """Sends nothing."""
