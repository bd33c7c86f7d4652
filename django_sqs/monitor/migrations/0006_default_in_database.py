"""Releases that know nothing of a column go on writing rows while a newer one is rolled out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_monitor", "0005_hours"),
    ]

    operations = [
        migrations.AlterField(
            model_name="heartbeat",
            name="messages",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="Messages that have been running for a while.",
            ),
        ),
        migrations.AlterField(
            model_name="heartbeat",
            name="version",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="SQS_VERSION.", max_length=100
            ),
        ),
        migrations.AlterField(
            model_name="queuehour",
            name="busy",
            field=models.FloatField(
                db_default=0, default=0, help_text="Seconds that receivers were seen running."
            ),
        ),
        migrations.AlterField(
            model_name="queueminute",
            name="busy",
            field=models.FloatField(
                db_default=0, default=0, help_text="Seconds that receivers were seen running."
            ),
        ),
    ]
