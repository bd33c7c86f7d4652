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
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("queue_name", models.CharField(help_text="As it was registered.", max_length=80)),
                ("suffix", models.CharField(blank=True, max_length=80)),
                ("body", models.TextField()),
                ("content_type", models.CharField(max_length=100)),
                ("attributes", models.JSONField(default=dict)),
                ("group_id", models.CharField(blank=True, max_length=128)),
                ("deduplication_id", models.CharField(blank=True, max_length=128)),
                ("due_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("tries", models.PositiveIntegerField(default=0)),
                ("try_after", models.DateTimeField(db_index=True, null=True)),
                ("error", models.TextField(blank=True)),
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
