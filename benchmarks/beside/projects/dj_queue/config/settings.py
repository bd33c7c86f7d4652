from .base import *

INSTALLED_APPS += ["dj_queue"]
DATABASE_ROUTERS = ["dj_queue.routers.DjQueueRouter"]
TASKS = {
    "default": {
        "BACKEND": "dj_queue.backend.DjQueueBackend",
        "QUEUES": [],
        "OPTIONS": {
            "recurring": {"report": {"task_path": "shop.tasks.report", "schedule": REPORT_AT}},
        },
    }
}
