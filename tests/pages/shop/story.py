"""What has happened in the shop of late: run by ``manage.py shell``, before its worker starts."""

import math
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

import django_sqs
from django_sqs.monitor.models import Heartbeat, QueueMinute
from django_sqs.outbox.models import OutboxMessage
from django_sqs.results.models import TaskRecord
from django_sqs.schedules.firing import know
from django_sqs.schedules.models import Slot
from django_sqs.tickets.models import UniqueKey, UsedTicket
from django_sqs_kombu.registration import Unique
from django_sqs_kombu.working import UTC

TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 41, in resize
    image = Image.open(upload.file)
PIL.UnidentifiedImageError: cannot identify image file 'IMG_2041.HEIC'
"""


def minutes(now):
    """An hour of work, with some failures in it."""
    for ago in range(2, 61):
        for queue, height in ("orders", 90), ("mails", 40):
            received = int(height * (1.2 + math.sin(ago / 9)) + ago % 7)
            failed = 3 if queue == "orders" and ago in (14, 15, 33) else 0
            yield QueueMinute(
                queue_name=queue,
                minute=now.replace(second=0, microsecond=0) - timedelta(minutes=ago),
                received=received,
                deleted=received - failed,
                rejected=failed,
                seconds=received * 0.12,
                waited=0.4 + failed,
                busy=20.0,
            )


def workers(now):
    """Two hosts; one has a receiver that takes long."""
    # Each has until then to be seen again.
    base = {"seen_at": now + timedelta(minutes=10), "version": "2026.11"}
    started = now - timedelta(hours=5)
    long = {"queue": "invoices", "id": "8d0b3f6e-93c1-4d4e-a9e4-6ef1a1c5a0de", "process": 0}
    yield Heartbeat(
        host="shop-1",
        pid=4711,
        started_at=started,
        processes=2,
        threads=8,
        running={"orders": 3, "mails": 1, "newsletter": 0, "thumbnails": 0, "invoices": 0},
        **base,
    )
    yield Heartbeat(
        host="shop-2",
        pid=4712,
        started_at=started,
        processes=2,
        threads=8,
        running={"invoices": 1, "stock.fifo": 0},
        messages=[{**long, "since": (now - timedelta(minutes=50)).isoformat()}],
        **base,
    )


def outbox(now):
    """One that SQS has refused, and one that waits for its next try."""
    yield OutboxMessage(
        queue_name="orders",
        body='{"order": 4702, "currency": "EUR", "price": 12.5}',
        content_type="application/json",
        tries=1,
        refusals=1,
        failed_at=now,
        error="InvalidMessageContents: characters that SQS does not take",
    )
    yield OutboxMessage(
        queue_name="stock.fifo",
        group_id="sku-17",
        body='{"sku": 17, "count": -1}',
        content_type="application/json",
        tries=4,
        try_after=now + timedelta(minutes=2),
        error="EndpointConnectionError: Could not connect to the endpoint URL "
        '"https://sqs.eu-central-1.amazonaws.com/123456789012/shop__stock.fifo", which was tried '
        "for as long as the visibility timeout allows, and waits for its next try",
    )


def results(now):
    """Tasks of each state."""
    base = {"backend": "default", "queue_name": "default", "enqueued_at": now}
    worker = "shop-1:4711:Receiver-1"
    yield TaskRecord(
        id="5f0c2a3be1d94c0c8d0f",
        task="shop.tasks.resize",
        status="FAILED",
        args=[2041],
        kwargs={"width": 640},
        worker_ids=[worker] * 2,
        finished_at=now,
        errors=[{"exception": "PIL.UnidentifiedImageError", "traceback": TRACEBACK}],
        **base,
    )
    yield TaskRecord(
        id="77b1e0f2a64d4f55a1c3",
        task="shop.tasks.export",
        status="RUNNING",
        worker_ids=[worker],
        started_at=now,
        **base,
    )
    yield TaskRecord(
        id="0a9d4c1e7bb0421fb2e8",
        task="shop.tasks.resize",
        status="SUCCESSFUL",
        args=[2040],
        return_value="2040-640.webp",
        worker_ids=[worker],
        finished_at=now,
        **base,
    )


def last_monday(now):
    """When the newsletter was sent: its cron says at 8, in Berlin."""
    there = now.astimezone(ZoneInfo("Europe/Berlin"))
    day = there - timedelta(days=there.weekday() or 7)
    return day.replace(hour=8, minute=0, second=0, microsecond=0)


def tell():
    """Write it down."""
    now = timezone.now()
    QueueMinute.objects.bulk_create(minutes(now))
    OutboxMessage.objects.bulk_create(outbox(now))
    TaskRecord.objects.bulk_create(results(now))
    UsedTicket.objects.create(ticket_id="b0c1f3de-7d1e-4e0b-9a62-3a54f0b1d1aa", cancelled=True)
    UsedTicket.objects.create(ticket_id="1d7f9a10-0c85-4b57-8f0e-62f1c0a9be02", cancelled=False)
    UniqueKey.objects.create(
        digest=Unique("nightly-export", 3600).digest("shop__mails"),
        ticket_id="2f1f6f3c-6a56-4a3e-9d4e-0b1b7f0b5a11",
        expires=time.time() + 3600,
        queue="shop__mails",
    )
    Heartbeat.objects.bulk_create(workers(now))
    know(datetime.now(UTC))
    Slot.objects.create(name="newsletter", slot=int(last_monday(now).timestamp()))
    orders = [
        {"order": 4711 + n, "currency": ("EUR", "GBX")[n % 6 == 3], "price": 10 + n}
        for n in range(12)
    ]
    django_sqs.send_many("orders", orders)
    to = ["ada@example.com", "grace", "linus", "barbara@example.com"]
    django_sqs.send_many("mails", [{"to": each, "order": 4711} for each in to])
    django_sqs.send_many("thumbnails", [{"image": n} for n in range(3)])
