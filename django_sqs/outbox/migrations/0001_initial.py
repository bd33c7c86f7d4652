"""The table of the app."""

import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "uid",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, unique=True, verbose_name="UUID"
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
                ("suffix", models.CharField(blank=True, max_length=80, verbose_name="suffix")),
                ("body", models.TextField(verbose_name="body")),
                ("content_type", models.CharField(max_length=100, verbose_name="content type")),
                ("attributes", models.JSONField(default=dict, verbose_name="attributes")),
                ("group_id", models.CharField(blank=True, max_length=128, verbose_name="group id")),
                (
                    "deduplication_id",
                    models.CharField(blank=True, max_length=128, verbose_name="deduplication id"),
                ),
                ("due_at", models.DateTimeField(null=True, verbose_name="due at")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("tries", models.PositiveIntegerField(default=0, verbose_name="tries")),
                (
                    "try_after",
                    models.DateTimeField(db_index=True, null=True, verbose_name="try after"),
                ),
                ("error", models.TextField(blank=True, verbose_name="error")),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        migrations.CreateModel(
            name="RelayLock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("taken_at", models.DateTimeField(auto_now=True)),
            ],
        ),
    ]
