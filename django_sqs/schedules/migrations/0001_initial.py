"""The tables of the app."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="KnownSchedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The queue's name.", max_length=80, verbose_name="name"
                    ),
                ),
                ("definition", models.CharField(max_length=200, verbose_name="definition")),
                (
                    "since",
                    models.BigIntegerField(
                        help_text="Only slots after this time are sent, in seconds since 1970 (UTC).",
                        verbose_name="since",
                    ),
                ),
                ("paused", models.BooleanField(default=False, verbose_name="paused")),
            ],
            options={
                "verbose_name_plural": "schedules",
                "default_permissions": ("change", "delete", "view"),
                "verbose_name": "schedule",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "definition"), name="django_sqs_schedules_known"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Slot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The queue's name.", max_length=80, verbose_name="name"
                    ),
                ),
                (
                    "slot",
                    models.BigIntegerField(
                        help_text="In seconds since 1970 (UTC).", verbose_name="slot"
                    ),
                ),
                (
                    "sent_at",
                    models.DateTimeField(auto_now_add=True, db_index=True, verbose_name="sent at"),
                ),
            ],
            options={
                "verbose_name": "slot",
                "verbose_name_plural": "slots",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "slot"), name="django_sqs_schedules_once"
                    )
                ],
            },
        ),
    ]
