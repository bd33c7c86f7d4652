"""Releases that know nothing of a column go on writing rows while a newer one is rolled out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_outbox", "0005_frees"),
    ]

    operations = [
        migrations.AlterField(
            model_name="outboxmessage",
            name="escaped",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether the body is kept as a JSON string, since databases accept no NUL.",
                verbose_name="escaped",
            ),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="frees",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="When it gives back its key of unique=.",
                max_length=10,
                verbose_name="frees",
            ),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="refusals",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Those of the tries in which SQS refused the message itself.",
                verbose_name="refusals",
            ),
        ),
        migrations.AlterField(
            model_name="outboxmessage",
            name="ticket",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether it can be cancelled.",
                verbose_name="ticket",
            ),
        ),
    ]
