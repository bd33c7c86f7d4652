"""The table of task results."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="TaskRecord",
            fields=[
                (
                    "id",
                    models.CharField(
                        editable=False,
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                        verbose_name="id",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("READY", "Ready"),
                            ("RUNNING", "Running"),
                            ("FAILED", "Failed"),
                            ("SUCCESSFUL", "Successful"),
                        ],
                        default="READY",
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "task",
                    models.CharField(
                        help_text="The dotted path of the task.",
                        max_length=500,
                        verbose_name="task",
                    ),
                ),
                ("backend", models.CharField(max_length=100, verbose_name="backend")),
                ("queue_name", models.CharField(max_length=100, verbose_name="queue name")),
                ("priority", models.SmallIntegerField(default=0, verbose_name="priority")),
                ("args", models.JSONField(default=list, verbose_name="args")),
                ("kwargs", models.JSONField(default=dict, verbose_name="kwargs")),
                ("run_after", models.DateTimeField(null=True, verbose_name="run after")),
                ("enqueued_at", models.DateTimeField(verbose_name="enqueued at")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started at")),
                (
                    "last_attempted_at",
                    models.DateTimeField(null=True, verbose_name="last attempted at"),
                ),
                (
                    "finished_at",
                    models.DateTimeField(db_index=True, null=True, verbose_name="finished at"),
                ),
                ("return_value", models.JSONField(null=True, verbose_name="return value")),
                ("errors", models.JSONField(default=list, verbose_name="errors")),
                ("worker_ids", models.JSONField(default=list, verbose_name="worker ids")),
            ],
            options={
                "verbose_name_plural": "task results",
                "default_permissions": ("delete", "view"),
                "permissions": (("enqueue_taskrecord", "Can enqueue failed tasks again"),),
                "verbose_name": "task result",
                "ordering": ("-enqueued_at",),
            },
        ),
    ]
