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
                ("name", models.CharField(help_text="The queue's name.", max_length=80)),
                ("definition", models.CharField(max_length=200)),
                (
                    "since",
                    models.BigIntegerField(
                        help_text="Only slots after this are sent: seconds since 1970, UTC."
                    ),
                ),
                ("paused", models.BooleanField(default=False)),
            ],
            options={
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
                ("name", models.CharField(help_text="The queue's name.", max_length=80)),
                ("slot", models.BigIntegerField(help_text="Seconds since 1970, UTC.")),
                ("sent_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            ],
            options={
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("name", "slot"), name="django_sqs_schedules_once"
                    )
                ],
            },
        ),
    ]
