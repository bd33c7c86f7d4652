"""TaskRecord: the stored result of a task."""

from __future__ import annotations

from django.db import models

STATUSES = [(name, name.title()) for name in ("READY", "RUNNING", "FAILED", "SUCCESSFUL")]


class TaskRecord(models.Model):
    """A task that was enqueued, and what has become of it."""

    id = models.CharField(primary_key=True, max_length=64, editable=False)
    status = models.CharField(max_length=10, choices=STATUSES, default="READY")
    task = models.CharField(max_length=500, help_text="The dotted path of the task.")
    backend = models.CharField(max_length=100)
    queue_name = models.CharField(max_length=100)
    priority = models.SmallIntegerField(default=0)
    args = models.JSONField(default=list)
    kwargs = models.JSONField(default=dict)
    run_after = models.DateTimeField(null=True)
    enqueued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    last_attempted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True, db_index=True)
    return_value = models.JSONField(null=True)
    errors = models.JSONField(default=list)
    worker_ids = models.JSONField(default=list)
    digest = models.CharField(
        max_length=64, default="", editable=False, help_text="Of what its message must say."
    )

    class Meta:
        verbose_name = "task result"
        default_permissions = ("delete", "view")
        permissions = (("enqueue_taskrecord", "Can enqueue failed tasks again"),)
        ordering = ("-enqueued_at",)

    def __str__(self) -> str:
        return f"{self.task} {self.id} ({self.status})"
