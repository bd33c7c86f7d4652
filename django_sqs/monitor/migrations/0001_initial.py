"""The tables of the app, and the permissions of its pages."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="QueueReport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
            ],
            options={
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
                "permissions": (
                    ("peek_queuereport", "Can look at messages"),
                    ("purge_queuereport", "Can delete all messages of a queue"),
                    ("move_queuereport", "Can move messages, and redrive dead letters"),
                ),
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("host", models.CharField(max_length=100)),
                ("pid", models.PositiveIntegerField()),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField(db_index=True)),
                ("processes", models.PositiveIntegerField()),
                ("threads", models.PositiveIntegerField()),
                (
                    "running",
                    models.JSONField(default=dict, help_text="Running receivers by queue."),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("host", "pid"), name="django_sqs_heartbeat_of")
                ],
            },
        ),
        migrations.CreateModel(
            name="QueueMinute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "queue_name",
                    models.CharField(
                        help_text="The name that the queue is registered with.", max_length=80
                    ),
                ),
                ("minute", models.DateTimeField(db_index=True)),
                ("received", models.PositiveBigIntegerField(default=0)),
                ("deleted", models.PositiveBigIntegerField(default=0)),
                ("requeued", models.PositiveBigIntegerField(default=0)),
                ("rejected", models.PositiveBigIntegerField(default=0)),
                ("released", models.PositiveBigIntegerField(default=0)),
                ("unsettled", models.PositiveBigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0, help_text="Seconds that receivers ran.")),
                (
                    "waited",
                    models.FloatField(
                        default=0, help_text="The longest wait of a message, in seconds."
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("queue_name", "minute"), name="django_sqs_minute_of"
                    )
                ],
            },
        ),
    ]
