"""TaskRecord: the stored result of a task."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

STATUSES = [
    ("READY", _("Ready")),
    ("RUNNING", _("Running")),
    ("FAILED", _("Failed")),
    ("SUCCESSFUL", _("Successful")),
]


class TaskRecord(models.Model):
    """A task that was enqueued, and what has become of it."""

    id = models.CharField(primary_key=True, max_length=64, editable=False, verbose_name=_("id"))
    status = models.CharField(
        max_length=10, choices=STATUSES, default="READY", verbose_name=_("status")
    )
    task = models.CharField(
        max_length=500, help_text=_("The dotted path of the task."), verbose_name=_("task")
    )
    backend = models.CharField(max_length=100, verbose_name=_("backend"))
    queue_name = models.CharField(max_length=100, verbose_name=_("queue name"))
    priority = models.SmallIntegerField(default=0, verbose_name=_("priority"))
    args = models.JSONField(default=list, verbose_name=_("args"))
    kwargs = models.JSONField(default=dict, verbose_name=_("kwargs"))
    run_after = models.DateTimeField(null=True, verbose_name=_("run after"))
    enqueued_at = models.DateTimeField(verbose_name=_("enqueued at"))
    started_at = models.DateTimeField(null=True, verbose_name=_("started at"))
    last_attempted_at = models.DateTimeField(null=True, verbose_name=_("last attempted at"))
    finished_at = models.DateTimeField(null=True, db_index=True, verbose_name=_("finished at"))
    return_value = models.JSONField(null=True, verbose_name=_("return value"))
    errors = models.JSONField(default=list, verbose_name=_("errors"))
    worker_ids = models.JSONField(default=list, verbose_name=_("worker ids"))
    digest = models.CharField(
        max_length=64,
        default="",
        db_default="",
        editable=False,
        help_text=_("Digest of what its message must say."),
        verbose_name=_("digest"),
    )

    class Meta:
        verbose_name_plural = _("task results")
        verbose_name = _("task result")
        default_permissions = ("delete", "view")
        permissions = (("enqueue_taskrecord", "Can enqueue failed tasks again"),)
        ordering = ("-enqueued_at",)

    def __str__(self) -> str:
        return f"{self.task} {self.id} ({self.get_status_display()})"
