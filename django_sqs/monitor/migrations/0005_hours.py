"""What queues did by the hour, and for how long receivers ran."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_monitor", "0004_what_runs"),
    ]

    operations = [
        migrations.AddField(
            model_name="queueminute",
            name="busy",
            field=models.FloatField(
                default=0, help_text="Seconds that receivers were seen running."
            ),
        ),
        migrations.CreateModel(
            name="QueueHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "queue_name",
                    models.CharField(
                        help_text="The name that the queue is registered with.", max_length=80
                    ),
                ),
                ("received", models.PositiveBigIntegerField(default=0)),
                ("deleted", models.PositiveBigIntegerField(default=0)),
                ("requeued", models.PositiveBigIntegerField(default=0)),
                ("rejected", models.PositiveBigIntegerField(default=0)),
                ("released", models.PositiveBigIntegerField(default=0)),
                ("unsettled", models.PositiveBigIntegerField(default=0)),
                ("seconds", models.FloatField(default=0, help_text="Seconds that receivers ran.")),
                (
                    "waited",
                    models.FloatField(
                        default=0, help_text="The longest wait of a message, in seconds."
                    ),
                ),
                (
                    "busy",
                    models.FloatField(
                        default=0, help_text="Seconds that receivers were seen running."
                    ),
                ),
                ("hour", models.DateTimeField(db_index=True)),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("queue_name", "hour"), name="django_sqs_hour_of"
                    )
                ],
            },
        ),
    ]
