"""The app, its settings and its broker transport from the environment."""

import json
import os
import time
from pathlib import Path

from celery import Celery
from celery.exceptions import Reject
from kombu import Queue
from kombu.common import Broadcast

OPTIONS = {
    "region": "us-east-1",
    "is_secure": False,
    "visibility_timeout": 30,
    "wait_time_seconds": 1,
    **json.loads(os.environ.get("TEST_TRANSPORT_OPTIONS", "{}")),
}

app = Celery("tests.celery_app", broker=os.environ["TEST_BROKER_URL"])
app.conf.update(
    broker_transport_options=OPTIONS,
    task_ignore_result=True,
    task_default_queue=os.environ["TEST_CELERY_QUEUE"],
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)
if "TEST_REJECT_FAILED" in os.environ:
    app.conf.task_acks_on_failure_or_timeout = False
if os.environ["TEST_TRANSPORT"] == "ours":
    app.conf.broker_transport = "django_sqs_kombu.transport:Transport"
if "TEST_NO_EVENT_LOOP" in os.environ:
    # Celery has none there, as with pools of green threads.
    app.IS_WINDOWS = True
if broadcast := os.environ.get("TEST_BROADCAST"):
    app.conf.task_queues = [Queue(app.conf.task_default_queue), Broadcast(broadcast)]
    app.conf.task_routes = {"tests.celery_app.app.everywhere": {"queue": broadcast}}


def note(text):
    with Path(os.environ["TEST_CELERY_LOG"]).open("a") as file:
        file.write(f"{time.time():.3f} {text}\n")


def first_time(name):
    """Whether this is the first call with *name*, in any process."""
    mark = Path(os.environ["TEST_CELERY_LOG"]).with_name(name)
    first = not mark.exists()
    mark.touch()
    return first


@app.task
def add(x, y):
    note(f"add {x + y}")
    return x + y


@app.task(bind=True, max_retries=1, acks_late=True)
def flaky(self):
    note(f"flaky {self.request.retries}")
    raise self.retry(countdown=1)


@app.task
def later():
    note("later")


@app.task(rate_limit="2/s")
def limited():
    note("limited")


@app.task
def expired():
    note("expired")


@app.task(bind=True, acks_late=True)
def rejected(self):
    first = first_time("rejected")
    note(f"rejected {'first' if first else 'again'}")
    if first:
        raise Reject("not now", requeue=True)


@app.task
def failing():
    note("failing")
    raise ValueError("a task's own fault")


@app.task(acks_late=True)
def failing_late():
    note("failing_late")
    raise ValueError("a task's own fault")


@app.task(acks_late=True, reject_on_worker_lost=True)
def dying():
    first = first_time("dying")
    note(f"dying {'first' if first else 'again'}")
    if first:
        os._exit(9)


@app.task(soft_time_limit=1)
def long():
    try:
        time.sleep(20)
    except BaseException as exc:
        note(f"long {type(exc).__name__}")
        raise


@app.task(acks_late=True)
def slow(number, seconds):
    note(f"slow {number} starts")
    time.sleep(seconds)
    note(f"slow {number} ends")


@app.task
def everywhere(text):
    note(f"everywhere {text}")


@app.task(bind=True)
def properties(self):
    # Both go to a result backend or a log as JSON.
    request = json.dumps([self.request.properties, self.request.delivery_info])
    note(f"properties {bool(request)}")
    return self.request.properties
