"""Tasks of the project's frameworks: Celery's, and Django's where the setting TASKS is there."""

import asyncio
import os
import threading
import time

from celery import shared_task

import django_sqs

from .models import Run


def note(queue, body, count=1):
    Run.objects.create(
        queue=queue,
        body=str(body),
        message_id="",
        pid=os.getpid(),
        thread=threading.current_thread().name,
        receive_count=count,
    )


@shared_task(name="shop.record")
def record(value):
    note("celery", value)


@shared_task(name="shop.send")
def send(body):
    django_sqs.send("plain", body=body)


if "TEST_TASKS" in os.environ:
    import django

    if django.VERSION >= (6, 0):
        from django.tasks import task
    else:
        from django_tasks import task

    @task
    def add(x, y):
        note("add", x + y)
        return {"sum": x + y}

    @task(queue_name="other")
    async def add_async(x, y):
        await asyncio.sleep(0.01)
        await Run.objects.acreate(
            queue="add_async", body=str(x + y), message_id="", pid=0, thread=""
        )
        return x + y

    @task(takes_context=True)
    def fail(context, times):
        note("fail", context.task_result.id, context.attempt)
        if context.attempt <= times:
            raise ValueError(f"failure {context.attempt}")
        return context.attempt

    @task(takes_context=True)
    def restart(context):
        note("restart_task", context.attempt)
        if context.attempt == 1:
            raise django_sqs.RestartLater(delay=1)

    @task(takes_context=True)
    def die(context):
        from django_sqs.results.models import TaskRecord

        note("die", context.attempt)
        if context.attempt == 1:
            runs = TaskRecord.objects.filter(pk=context.task_result.id, status="RUNNING")
            # Others are told of it when it has run for a moment.
            while not runs.exists():
                time.sleep(0.01)
            os._exit(70)

    @task
    def unserializable():
        return object()

    @task
    def read_and_write(body):
        from .fault_receivers import read_and_write

        read_and_write("fault_task", body)

    @task(queue_name="ordered.fifo")
    def in_order(number):
        note("in_order", number)

    @task(backend="levels", queue_name="ranked")
    def ranked(name):
        note("ranked", name)
        # Longer than the answer to a poll takes: what has not come yet cannot go first.
        time.sleep(0.1)
