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
                    models.CharField(max_length=100, primary_key=True, serialize=False),
                ),
                (
                    "cancelled",
                    models.BooleanField(help_text="Else a receiver has started with its message."),
                ),
                ("used_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            ],
            options={"default_permissions": ("view",)},
        ),
    ]
