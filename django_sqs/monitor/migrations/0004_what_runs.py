"""What workers run, and their version."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_monitor", "0003_pause_permission"),
    ]

    operations = [
        migrations.AddField(
            model_name="heartbeat",
            name="messages",
            field=models.JSONField(
                default=list, help_text="Messages that have been running for a while."
            ),
        ),
        migrations.AddField(
            model_name="heartbeat",
            name="version",
            field=models.CharField(blank=True, help_text="SQS_VERSION.", max_length=100),
        ),
    ]
