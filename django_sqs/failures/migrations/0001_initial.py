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
                ("fingerprint", models.CharField(max_length=40, unique=True)),
                ("queue_name", models.CharField(help_text="As it was registered.", max_length=80)),
                ("error_class", models.CharField(max_length=200)),
                ("error", models.CharField(help_text="Of the latest.", max_length=500)),
                ("seen", models.PositiveBigIntegerField(default=0)),
                ("waiting", models.BigIntegerField(db_index=True, default=0)),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField(db_index=True)),
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
                            ("in_queue", "still in SQS"),
                            ("sending", "being sent"),
                            ("sent", "sent again"),
                            ("discarded", "discarded"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("queue_name", models.CharField(help_text="As it was registered.", max_length=80)),
                ("full_name", models.CharField(help_text="In SQS.", max_length=80)),
                ("message_id", models.CharField(db_index=True, max_length=100)),
                ("receipt", models.CharField(max_length=40, unique=True)),
                ("body", models.TextField(blank=True)),
                ("text", models.TextField(blank=True)),
                ("attributes", models.JSONField(default=dict)),
                ("message_group", models.CharField(blank=True, max_length=128)),
                ("error_class", models.CharField(max_length=200)),
                ("error", models.CharField(max_length=1000)),
                ("traceback", models.TextField(blank=True)),
                ("receive_count", models.PositiveIntegerField(default=1)),
                ("worker", models.CharField(blank=True, max_length=120)),
                ("sent_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(db_index=True)),
                ("changed_at", models.DateTimeField(null=True)),
                ("changed_by", models.CharField(blank=True, max_length=150)),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="failures",
                        to="django_sqs_failures.failuregroup",
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
