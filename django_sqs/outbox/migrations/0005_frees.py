"""When a message gives back its key."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_outbox", "0004_ticket"),
    ]

    operations = [
        migrations.AddField(
            model_name="outboxmessage",
            name="frees",
            field=models.CharField(
                blank=True,
                default="",
                help_text="When it gives back its key of unique=.",
                max_length=10,
                verbose_name="frees",
            ),
            preserve_default=False,
        ),
    ]
