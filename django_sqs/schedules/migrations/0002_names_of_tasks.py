"""Room for the names of tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_sqs_schedules", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name=model,
            name="name",
            field=models.CharField(
                help_text="The name of the queue or the task.", max_length=200, verbose_name="name"
            ),
        )
        for model in ("knownschedule", "slot")
    ]
