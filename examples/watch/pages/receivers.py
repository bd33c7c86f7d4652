"""From a schedule to rows of a database: each queue is received in the way that suits it.

``watch`` is sent at set times, and sends one message for each page in a batch.  ``look`` waits
for the pages, hundreds at once, on an event loop.  ``keep`` gets what they took as lists, and
writes each list by one INSERT.  ``warn`` runs on AWS Lambda, where a worker would idle.
"""

import asyncio
import time
from datetime import datetime, timedelta

from django.conf import settings

import django_sqs
from django_sqs import receiver
from django_sqs.message import JSONMessage

from .models import Look, Page

#: Seconds that are too many.
SLOW = 2.0


async def fetch(url):
    """Stands for an HTTP client, such as httpx's ``AsyncClient``."""
    await asyncio.sleep(SLOW + 0.1 if "slow" in url else 0.2)


@receiver("watch", every=timedelta(seconds=settings.WATCH_EVERY))
def watch(message):
    """Ask for one look at each page, ten to a request."""
    slot = message.get_body()
    with django_sqs.batch():
        for pk, url in Page.objects.values_list("pk", "url"):
            # A look that would start after the next slot is not worth it.
            django_sqs.send(
                "look",
                body={"page": pk, "url": url, "slot": slot},
                expires=timedelta(seconds=settings.WATCH_EVERY),
            )


@receiver("look", message_class=JSONMessage, timeout=30)
async def look(message):
    """Look at a page; hundreds do so together."""
    asked = message.get_body()
    began = time.monotonic()
    await fetch(asked["url"])
    took = {**asked, "seconds": time.monotonic() - began}
    await django_sqs.asend("looked", body=took)


@receiver("looked", message_class=JSONMessage, batch=100, wait=1)
def keep(messages):
    """Keep what many looks took by one INSERT; what came twice is kept once."""
    found = [message.get_body() for message in messages]
    Look.objects.bulk_create(
        [
            Look(
                page_id=each["page"],
                slot=datetime.fromisoformat(each["slot"]),
                seconds=each["seconds"],
            )
            for each in found
        ],
        ignore_conflicts=True,
    )
    with django_sqs.batch():
        for each in found:
            if each["seconds"] > SLOW:
                django_sqs.send("slow-pages", body=each)


@receiver("slow-pages", message_class=JSONMessage)
def warn(message):
    """Tell somebody."""
    slow = message.get_body()
    print(f"slow: {slow['url']} took {slow['seconds']:.1f} s", flush=True)
