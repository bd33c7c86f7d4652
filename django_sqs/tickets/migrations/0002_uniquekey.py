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
                        help_text="Digest of its queue and its key.",
                        verbose_name="digest",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "ticket_id",
                    models.CharField(
                        help_text="The ticket of the message that holds the key.",
                        verbose_name="ticket id",
                        max_length=100,
                    ),
                ),
                (
                    "expires",
                    models.FloatField(
                        db_index=True,
                        help_text="When it stops holding the key, in seconds since 1970 (UTC).",
                        verbose_name="expires",
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
                "verbose_name": "unique key",
                "verbose_name_plural": "unique keys",
            },
        ),
    ]
