"""Rows written one by one, and by bulk_create in batches: ``python -m benchmarks.batches``.

A database on PostgreSQL by ``BENCH_DATABASE``, the JSON of Django's settings of it; else SQLite.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import django
from django.conf import settings
from django.db import connection, models

from .servers import end_in_order, stub

COUNT = int(os.environ.get("BENCH_COUNT", "10000"))


def main():
    """Print how many rows a second are written, one by one and together."""
    end_in_order()
    with stub() as server, tempfile.TemporaryDirectory() as folder:
        row = prepare(server, folder)
        speeds = {name: measure(server, row, name) for name in ("one by one", "batch=1000")}
        for name, speed in speeds.items():
            print(f"{name:12} {speed:8,.0f} rows a second")
        print(f"{speeds['batch=1000'] / speeds['one by one']:.1f} times as many")
        connection.close()


def prepare(server, folder):
    """Set up Django; return the model of the rows."""
    database = os.environ.get("BENCH_DATABASE")
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "rows.sqlite3")}
    settings.configure(
        INSTALLED_APPS=["django_sqs"],
        DATABASES={"default": json.loads(database) if database else sqlite},
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",
        SQS_ENDPOINT_URL=server.url,
        AWS_DEFAULT_REGION="us-east-1",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()

    class Row(models.Model):
        body = models.TextField()

        class Meta:
            app_label = "bench"

    with connection.schema_editor() as editor:
        editor.create_model(Row)
    return Row


def measure(server, row, name):
    """Rows a second."""
    import django_sqs
    from django_sqs_kombu import RawMessage, ReceiverConsumer

    def one(message):
        row.objects.create(body=message.get_body())

    def many(messages):
        row.objects.bulk_create([row(body=message.get_body()) for message in messages])

    row.objects.all().delete()
    together = name != "one by one"
    options = {"message_class": RawMessage}
    options |= {"batch": 1_000, "wait": 1} if together else {}
    [sqs_name] = server.create("together-" if together else "alone-", 1)
    queue = django_sqs.register(sqs_name, many if together else one, **options)
    server.queue(sqs_name, left=COUNT)
    started = time.monotonic()
    ReceiverConsumer(django_sqs.receivers, [queue], message_limit=COUNT).run()
    took = time.monotonic() - started
    assert row.objects.count() == COUNT, row.objects.count()
    return COUNT / took


if __name__ == "__main__":
    sys.exit(main())
