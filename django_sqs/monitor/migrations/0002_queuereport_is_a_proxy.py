"""QueueReport becomes a proxy: a model without a table stopped dumpdata.

Its permissions stay: they belong to its content type, which keeps its name.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = (("django_sqs_monitor", "0001_initial"),)
    operations = (
        migrations.DeleteModel(name="QueueReport"),
        migrations.CreateModel(
            name="QueueReport",
            fields=[],
            options={
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
                "permissions": (
                    ("peek_queuereport", "Can look at messages"),
                    ("purge_queuereport", "Can delete all messages of a queue"),
                    ("move_queuereport", "Can move messages, and redrive dead letters"),
                ),
                "proxy": True,
                "default_permissions": ("view",),
                "indexes": [],
                "constraints": [],
            },
            bases=("django_sqs_monitor.queueminute",),
        ),
    )
