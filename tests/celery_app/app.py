"""The app, its settings from the environment."""

import os
from pathlib import Path

from celery import Celery

app = Celery("tests.celery_app", broker=os.environ["TEST_BROKER_URL"])
app.conf.update(
    broker_transport="django_sqs_kombu.transport:Transport",
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "visibility_timeout": 30,
        "wait_time_seconds": 1,
    },
    task_ignore_result=True,
    task_default_queue=os.environ["TEST_CELERY_QUEUE"],
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)


def note(text):
    with Path(os.environ["TEST_CELERY_LOG"]).open("a") as file:
        file.write(f"{text}\n")


@app.task
def add(x, y):
    note(f"add {x + y}")


@app.task(bind=True, max_retries=1, acks_late=True)
def flaky(self):
    note(f"flaky {self.request.retries}")
    raise self.retry(countdown=1)
