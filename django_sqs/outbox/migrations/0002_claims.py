"""Claims and failures in the rows, in place of the relay's lock."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_outbox", "0001_initial"),
    ]

    operations = [
        migrations.DeleteModel(
            name="RelayLock",
        ),
        migrations.AlterModelOptions(
            name="outboxmessage",
            options={
                "default_permissions": ("change", "delete", "view"),
                "ordering": ("pk",),
                "verbose_name": "message to send",
                "verbose_name_plural": "messages to send",
            },
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="claimed_by",
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="claimed_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="escaped",
            field=models.BooleanField(
                default=False, help_text="The body is a JSON string, since databases take no NUL."
            ),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="failed_at",
            field=models.DateTimeField(help_text="When it was given up.", null=True),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="refusals",
            field=models.PositiveIntegerField(
                default=0, help_text="Those of the tries that failed for the message's own sake."
            ),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="due_at",
            field=models.DateTimeField(help_text="When it may be received.", null=True),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="tries",
            field=models.PositiveIntegerField(default=0, help_text="That did not succeed."),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="try_after",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(
                fields=["failed_at", "queue_name", "suffix", "id"], name="django_sqs_outbox_queue"
            ),
        ),
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(
                fields=["queue_name", "suffix", "group_id", "id"], name="django_sqs_outbox_group"
            ),
        ),
    ]
