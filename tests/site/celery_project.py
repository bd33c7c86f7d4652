"""A Celery app in the test project, on SQS beside its receivers; the environment configures it."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")

app = Celery("tests.site")
app.conf.update(
    broker_url=os.environ["TEST_SITE_BROKER_URL"],
    broker_transport_options={
        "region": "us-east-1",
        "is_secure": False,
        "wait_time_seconds": 1,
        # The project's one prefix scheme.
        "queue_name_prefix": f"{os.environ['TEST_SQS_PREFIX']}__",
    },
    task_default_queue="celery",
    task_ignore_result=True,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)
app.autodiscover_tasks()

if os.environ.get("TEST_RECEIVER_STEP"):
    from django_sqs_kombu.celery import ReceiverStep

    class ChosenReceivers(ReceiverStep):
        queue_names = tuple(os.environ["TEST_RECEIVER_STEP"].split(","))

    app.steps["consumer"].add(ChosenReceivers)
