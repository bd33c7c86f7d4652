"""The table of the app."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="UsedTicket",
            fields=[
                (
                    "ticket_id",
                    models.CharField(
                        max_length=100, primary_key=True, serialize=False, verbose_name="ticket id"
                    ),
                ),
                (
                    "cancelled",
                    models.BooleanField(
                        help_text="If not, a receiver has started with its message.",
                        verbose_name="cancelled",
                    ),
                ),
                (
                    "used_at",
                    models.DateTimeField(auto_now_add=True, db_index=True, verbose_name="used at"),
                ),
            ],
            options={
                "verbose_name": "used ticket",
                "verbose_name_plural": "used tickets",
                "default_permissions": ("view",),
            },
        ),
    ]
