"""Releases that know nothing of a column go on writing rows while a newer one is rolled out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_results", "0002_digest"),
    ]

    operations = [
        migrations.AlterField(
            model_name="taskrecord",
            name="digest",
            field=models.CharField(
                db_default="",
                default="",
                editable=False,
                help_text="Digest of what its message must say.",
                max_length=64,
                verbose_name="digest",
            ),
        ),
    ]
