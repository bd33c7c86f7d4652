"""Enqueue and run tasks that do nothing, with or without stored results; prints JSON.

Run by :mod:`benchmarks.tasks`, which says by the environment what there is.
"""

import itertools
import json
import os
import time

import django
from django.conf import settings

from .tasks import WARMING

RESULTS = os.environ.get("BENCH_RESULTS") == "yes"

settings.configure(
    USE_TZ=True,
    SECRET_KEY="bench",
    INSTALLED_APPS=["django_sqs", *(["django_sqs.results"] if RESULTS else [])],
    DATABASES={"default": json.loads(os.environ["BENCH_DATABASE"])},
    AWS_ACCESS_KEY_ID="x",
    AWS_SECRET_ACCESS_KEY="x",
    SQS_ENDPOINT_URL=os.environ["BENCH_URL"],
    SQS_QUEUE_PREFIX=os.environ["BENCH_PREFIX"],
    SQS_POLL_PERIOD=1,
    SQS_CONN_MAX_AGE=float(os.environ["BENCH_CONN_MAX_AGE"]),
    TASKS={"default": {"BACKEND": "django_sqs.tasks.SQSBackend", "QUEUES": ["default"]}},
)
django.setup()

from django_sqs.tasks.framework import Task  # noqa: E402 - it reads the settings

#: How often the task was called, and when those calls were done that only warm up.
calls, measured_from = itertools.count(1), []


def nothing(number):
    if next(calls) == WARMING:
        measured_from.append((time.perf_counter(), cpu()))
    return number


nothing = Task(
    func=nothing,
    priority=0,
    backend="default",
    queue_name="default",
    run_after=None,
    takes_context=False,
)


def main(count):
    from django.core.management import call_command

    if RESULTS:
        call_command("migrate", "django_sqs_results", verbosity=0)
    enqueue(WARMING)
    enqueued = cpu()
    enqueue(count)
    enqueued = cpu() - enqueued
    consumer(WARMING + count).run()
    [(started, began)] = measured_from
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_us": (cpu() - began) / count * 1e6,
        "enqueue_cpu_us": enqueued / count * 1e6,
    }
    if RESULTS:
        from django_sqs.results.models import TaskRecord

        assert TaskRecord.objects.filter(status="SUCCESSFUL").count() >= count + WARMING
    print(json.dumps({**figures, "tasks_per_second": count / figures["seconds"]}))


def enqueue(count):
    nothing.get_backend().enqueue_many([(nothing, (n,), {}) for n in range(count)])


def consumer(count):
    from django_sqs.registry import receivers
    from django_sqs_kombu.working import ReceiverConsumer

    return ReceiverConsumer(
        receivers,
        [receivers.get("tasks-default")],
        message_limit=count,
        threads=int(os.environ.get("BENCH_THREADS", "1")),
    )


def cpu():
    return time.process_time()
