from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("away", models.IntegerField(default=0)),
                ("tries", models.IntegerField(default=0)),
                ("first_tried", models.DateTimeField(null=True)),
                ("packed", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            "Report",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("made", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
