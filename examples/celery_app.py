"""A Celery deployment on SQS whose worker also runs receivers; see docs/celery.rst.

Start the worker with ``celery -A celery_app worker -P threads``, and send a task and a
message with ``python celery_app.py``; both with ``SQS_LOCAL=1
SQS_URL=sqs://any:any@127.0.0.1:4566`` on a local server (``python -m django_sqs.local``).
"""

import os

from celery import Celery

from django_sqs_kombu import JSONMessage, Receivers
from django_sqs_kombu.celery import ReceiverStep

URL = os.environ.get("SQS_URL", "sqs://")
PREFIX = os.environ.get("SQS_PREFIX", "example")

app = Celery("celery_app", broker=URL)
app.conf.broker_transport = "django_sqs_kombu.transport:Transport"
app.conf.broker_transport_options = {
    "region": "us-east-1",
    "is_secure": not os.environ.get("SQS_LOCAL"),
    "queue_name_prefix": f"{PREFIX}__",
    "eta_as_delay": True,
}
app.steps["consumer"].add(ReceiverStep)

receivers = Receivers(
    URL.replace("sqs://", "sqs-batch://"),
    prefix=PREFIX,
    transport_options={"region": "us-east-1", "is_secure": not os.environ.get("SQS_LOCAL")},
)


@app.task
def greet(name):
    print(f"the task greets {name}", flush=True)


@receivers.receiver("orders", message_class=JSONMessage)
def receive_order(message):
    print(f"the receiver got order {message['number']}", flush=True)


# Each message of this queue becomes a task.
receivers.register("visitors", celery_task=greet)


if __name__ == "__main__":
    greet.delay("a task's caller")
    greet.apply_async(["a late caller"], countdown=2)
    receivers.send("orders", body={"number": 1})
    receivers.send("visitors", body="a visitor")
