"""The trace of a failed message, which it keeps when it is sent again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_sqs_failures", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="failure",
            name="trace",
            field=models.CharField(
                blank=True,
                default="",
                help_text="The trace header of AWS X-Ray.",
                max_length=500,
                verbose_name="trace",
            ),
            preserve_default=False,
        ),
    ]
