"""The table of the app."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ReceivedMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "queue",
                    models.CharField(
                        help_text="The queue's name in SQS.", max_length=80, verbose_name="queue"
                    ),
                ),
                ("message_id", models.CharField(max_length=100, verbose_name="message id")),
                (
                    "received_at",
                    models.DateTimeField(
                        auto_now_add=True, db_index=True, verbose_name="received at"
                    ),
                ),
            ],
            options={
                "verbose_name": "received message",
                "verbose_name_plural": "received messages",
                "default_permissions": ("delete", "view"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("queue", "message_id"), name="django_sqs_inbox_once"
                    )
                ],
            },
        ),
    ]
