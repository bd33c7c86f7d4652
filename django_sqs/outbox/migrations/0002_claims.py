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
            field=models.UUIDField(editable=False, null=True, verbose_name="claimed by"),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="claimed_until",
            field=models.DateTimeField(editable=False, null=True, verbose_name="claimed until"),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="escaped",
            field=models.BooleanField(
                default=False,
                help_text="Whether the body is kept as a JSON string, since databases accept no NUL.",
                verbose_name="escaped",
            ),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="failed_at",
            field=models.DateTimeField(
                help_text="When the message was set aside.", null=True, verbose_name="failed at"
            ),
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="refusals",
            field=models.PositiveIntegerField(
                default=0,
                help_text="Those of the tries in which SQS refused the message itself.",
                verbose_name="refusals",
            ),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="due_at",
            field=models.DateTimeField(
                help_text="The earliest time at which it can be received.",
                null=True,
                verbose_name="due at",
            ),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="tries",
            field=models.PositiveIntegerField(
                default=0, help_text="Those that did not succeed.", verbose_name="tries"
            ),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="try_after",
            field=models.DateTimeField(null=True, verbose_name="try after"),
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
