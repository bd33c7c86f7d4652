"""A key says which queue it is of."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_tickets", "0003_keys_of_messages"),
    ]

    operations = [
        migrations.AddField(
            model_name="uniquekey",
            name="queue",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The queue's name in SQS.",
                max_length=80,
                verbose_name="queue",
            ),
        ),
    ]
