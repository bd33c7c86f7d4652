"""When a message is too late."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_outbox", "0002_claims"),
    ]

    operations = [
        migrations.AddField(
            model_name="outboxmessage",
            name="expires",
            field=models.FloatField(
                help_text="When it is too late to start its receiver, in seconds since 1970 (UTC).",
                null=True,
                verbose_name="expires",
            ),
        ),
    ]
