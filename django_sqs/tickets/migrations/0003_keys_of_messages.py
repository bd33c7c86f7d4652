"""Keys are found by their messages, and may be given back in the admin."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_sqs_tickets", "0002_uniquekey"),
    ]

    operations = [
        migrations.AlterField(
            model_name="uniquekey",
            name="ticket_id",
            field=models.CharField(
                db_index=True,
                help_text="The ticket of the message that holds the key.",
                verbose_name="ticket id",
                max_length=100,
            ),
        ),
        migrations.AlterModelOptions(
            name="uniquekey",
            options={
                "default_permissions": ("delete", "view"),
                "verbose_name": "unique key",
                "verbose_name_plural": "unique keys",
            },
        ),
    ]
