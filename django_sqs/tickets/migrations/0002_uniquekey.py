"""The table of keys."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_tickets", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="UniqueKey",
            fields=[
                (
                    "digest",
                    models.CharField(
                        help_text="Of its queue and key.",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "ticket_id",
                    models.CharField(help_text="Of the message that has it.", max_length=100),
                ),
                (
                    "expires",
                    models.FloatField(
                        db_index=True,
                        help_text="Until when it has it, in seconds since the epoch.",
                    ),
                ),
            ],
            options={"default_permissions": ("view",)},
        ),
    ]
