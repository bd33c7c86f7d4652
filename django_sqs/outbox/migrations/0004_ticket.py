"""Whether a message can be cancelled."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_outbox", "0003_expires"),
    ]

    operations = [
        migrations.AddField(
            model_name="outboxmessage",
            name="ticket",
            field=models.BooleanField(
                default=False, help_text="Whether it can be cancelled.", verbose_name="ticket"
            ),
        ),
    ]
