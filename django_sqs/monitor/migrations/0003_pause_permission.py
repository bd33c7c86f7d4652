"""A permission to pause queues."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_monitor", "0002_queuereport_is_a_proxy"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="queuereport",
            options={
                "default_permissions": ("view",),
                "permissions": (
                    ("peek_queuereport", "Can look at messages"),
                    ("purge_queuereport", "Can delete all messages of a queue"),
                    ("move_queuereport", "Can move messages, and redrive dead letters"),
                    ("pause_queuereport", "Can pause and resume a queue"),
                ),
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
            },
        ),
    ]
