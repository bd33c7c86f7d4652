"""Releases that know nothing of a column go on writing rows while a newer one is rolled out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_failures", "0002_trace"),
    ]

    operations = [
        migrations.AlterField(
            model_name="failure",
            name="trace",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The trace header of AWS X-Ray.",
                max_length=500,
                verbose_name="trace",
            ),
        ),
    ]
