"""A digest of what the message of each result must say."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_sqs_results", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="taskrecord",
            name="digest",
            field=models.CharField(
                default="",
                editable=False,
                help_text="Digest of what its message must say.",
                max_length=64,
                verbose_name="digest",
            ),
        ),
    ]
