"""Room for the names of tasks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_sqs_schedules", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name=model,
            name="name",
            field=models.CharField(help_text="The queue's name, or the task's.", max_length=200),
        )
        for model in ("knownschedule", "slot")
    ]
