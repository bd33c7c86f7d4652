"""Failed messages and their groups."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="FailureGroup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "fingerprint",
                    models.CharField(max_length=40, unique=True, verbose_name="fingerprint"),
                ),
                (
                    "queue_name",
                    models.CharField(
                        help_text="The name that the queue is registered with.",
                        max_length=80,
                        verbose_name="queue name",
                    ),
                ),
                ("error_class", models.CharField(max_length=200, verbose_name="error class")),
                (
                    "error",
                    models.CharField(
                        help_text="That of the latest failure.",
                        max_length=500,
                        verbose_name="error",
                    ),
                ),
                ("seen", models.PositiveBigIntegerField(default=0, verbose_name="failures in all")),
                (
                    "waiting",
                    models.BigIntegerField(db_index=True, default=0, verbose_name="waiting"),
                ),
                ("first_seen", models.DateTimeField(verbose_name="first seen")),
                ("last_seen", models.DateTimeField(db_index=True, verbose_name="last seen")),
            ],
            options={
                "default_permissions": ("view",),
                "verbose_name": "group of failures",
                "verbose_name_plural": "groups of failures",
            },
        ),
        migrations.CreateModel(
            name="Failure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits here"),
                            ("in_queue", "left to SQS"),
                            ("sending", "being sent"),
                            ("sent", "sent again"),
                            ("discarded", "discarded"),
                        ],
                        default="waiting",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "queue_name",
                    models.CharField(
                        help_text="The name that the queue is registered with.",
                        max_length=80,
                        verbose_name="queue name",
                    ),
                ),
                (
                    "full_name",
                    models.CharField(
                        help_text="The queue's name in SQS.",
                        max_length=80,
                        verbose_name="full name",
                    ),
                ),
                (
                    "message_id",
                    models.CharField(db_index=True, max_length=100, verbose_name="message id"),
                ),
                ("receipt", models.CharField(max_length=40, unique=True, verbose_name="receipt")),
                ("body", models.TextField(blank=True, verbose_name="body")),
                ("text", models.TextField(blank=True, verbose_name="text")),
                ("attributes", models.JSONField(default=dict, verbose_name="attributes")),
                (
                    "message_group",
                    models.CharField(blank=True, max_length=128, verbose_name="message group"),
                ),
                ("error_class", models.CharField(max_length=200, verbose_name="error class")),
                ("error", models.CharField(max_length=1000, verbose_name="error")),
                ("traceback", models.TextField(blank=True, verbose_name="traceback")),
                (
                    "receive_count",
                    models.PositiveIntegerField(default=1, verbose_name="receive count"),
                ),
                ("worker", models.CharField(blank=True, max_length=120, verbose_name="worker")),
                ("sent_at", models.DateTimeField(null=True, verbose_name="sent at")),
                ("failed_at", models.DateTimeField(db_index=True, verbose_name="failed at")),
                ("changed_at", models.DateTimeField(null=True, verbose_name="changed at")),
                (
                    "changed_by",
                    models.CharField(blank=True, max_length=150, verbose_name="changed by"),
                ),
                ("note", models.CharField(blank=True, max_length=500, verbose_name="note")),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="failures",
                        to="django_sqs_failures.failuregroup",
                        verbose_name="group",
                    ),
                ),
            ],
            options={
                "verbose_name": "failed message",
                "verbose_name_plural": "failed messages",
                "permissions": (
                    ("body_failure", "Can see bodies of failed messages"),
                    ("send_failure", "Can send failed messages again"),
                    ("discard_failure", "Can discard failed messages"),
                ),
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["group", "state", "id"], name="django_sqs_failure_group"),
                    models.Index(fields=["state", "id"], name="django_sqs_failure_state"),
                ],
            },
        ),
    ]
