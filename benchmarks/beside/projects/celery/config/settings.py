from celery.schedules import crontab

from .base import *

INSTALLED_APPS += ["django_celery_results"]
CELERY_BROKER_URL = f"sqs://{LOCAL_SQS or ''}"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "region": "us-east-1",
    "queue_name_prefix": "shop-",
    "is_secure": LOCAL_SQS is None,
}
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_BEAT_SCHEDULE = {
    "report": {"task": "shop.tasks.report", "schedule": crontab.from_string(REPORT_AT)},
}
