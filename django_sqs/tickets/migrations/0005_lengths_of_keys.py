"""A key says for how long it was taken, which proves a clock wrong that was ahead."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_tickets", "0004_queues_of_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="uniquekey",
            name="seconds",
            field=models.FloatField(
                help_text="For how long it was taken.", null=True, verbose_name="seconds"
            ),
        ),
    ]
