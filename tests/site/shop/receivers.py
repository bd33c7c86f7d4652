"""Receivers, one for each way in which a message can end."""

import asyncio
import datetime
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, transaction

import django_sqs
from django_sqs.message import JSONMessage, Message, ModelInstanceMessage, RawMessage

from . import coroutine_receivers, database_receivers, fault_receivers  # noqa: F401 - they register more
from .models import Run

EXECUTOR = ThreadPoolExecutor(1, "left-running")


def record(queue, message, body=None):
    return Run.objects.create(
        queue=queue,
        body=body if body is not None else str(message.get_body()),
        message_id=message.id,
        pid=os.getpid(),
        thread=threading.current_thread().name,
        receive_count=int(message.attributes["ApproximateReceiveCount"]),
    )


@django_sqs.receiver("plain", suffixes=("big", "small"))
def receive_plain(message):
    record("plain", message)


@django_sqs.receiver("second")
def receive_second(message):
    record("second", message)


@django_sqs.receiver("raw", message_class=Message, wire_format="raw")
def receive_raw(message):
    record("raw", message)


@django_sqs.receiver("restart")
def receive_restart(message):
    run = record("restart", message)
    if run.receive_count == 1:
        raise django_sqs.RestartLater(delay=1)


@django_sqs.receiver("failing")
def receive_failing(message):
    record("failing", message)
    raise ValueError("a receiver's own fault")


@django_sqs.receiver("exiting")
def receive_exiting(message):
    record("exiting", message)
    sys.exit("a receiver that calls sys.exit")


@django_sqs.receiver("slow")
def receive_slow(message):
    """Takes the seconds that the body says, or until the file that it names is there."""
    run = record("slow", message)
    body = message.get_body()
    if body.startswith("/"):
        deadline = time.monotonic() + 60
        while not os.path.exists(body) and time.monotonic() < deadline:
            time.sleep(0.05)
    else:
        time.sleep(float(body))
    Run.objects.filter(pk=run.pk).update(finished=True)


@django_sqs.receiver("left-running")
def receive_left_running(message):
    """Leaves running what the body says: a thread, or a job of an executor."""
    seconds = float(os.environ.get("TEST_LEFT_SECONDS", "60"))
    if message.get_body() == "thread":
        threading.Thread(target=time.sleep, args=[seconds], name="left-running").start()
    else:
        EXECUTOR.submit(time.sleep, seconds)
    record("left-running", message)


@django_sqs.receiver("limited", timeout=1)
def receive_limited(message):
    run = record("limited", message)
    for _ in range(100):
        time.sleep(0.1)
    Run.objects.filter(pk=run.pk).update(finished=True)


@django_sqs.receiver("started", delete_on_start=True, close_database=True)
def receive_started(message):
    run = record("started", message)
    if message.get_body() == "restart" and Run.objects.filter(queue="started").count() == 1:
        raise django_sqs.RestartLater(delay=0)
    if message.get_body() == "fail":
        raise ValueError(run.pk)


@django_sqs.receiver("rows", message_class=ModelInstanceMessage, models=["shop.Order"])
def receive_row(message):
    record("rows", message, message.get_instance().title)


@django_sqs.receiver("mappings", message_class=JSONMessage)
def receive_mapping(message):
    record("mappings", message, message["key"])


@django_sqs.receiver("crashing")
def receive_crashing(message):
    record("crashing", message)
    if message.attributes["ApproximateReceiveCount"] == "1":
        os._exit(70)


@django_sqs.receiver()
def default_named(message):
    record("default_named", message)


@django_sqs.receiver("long")
def receive_long(message):
    """Takes half a minute, unless the worker stops: then another goes on."""
    record("long", message, body=str(message.cursor))
    if message.cursor is None:
        for step in range(300):
            if django_sqs.stopping():
                raise django_sqs.Continue({"done": step > 0})
            time.sleep(0.1)


@django_sqs.receiver(
    "tried",
    retry=django_sqs.Retry(ValueError, tries=2, backoff=0),
    dead_letter_queue="tried-dead",
)
def receive_tried(message):
    record("tried", message)
    raise ValueError("a receiver's own fault")


django_sqs.register("outgoing", message_class=RawMessage)


@django_sqs.receiver("async")
async def receive_async(message):
    await asyncio.sleep(0.01)
    # Django's asynchronous ORM, in the receiver's own thread and connection.
    await Run.objects.acreate(
        queue="async",
        body=message.get_body(),
        message_id=message.id,
        pid=os.getpid(),
        thread=threading.current_thread().name,
    )


@django_sqs.receiver("async_limited", timeout=1)
async def receive_async_limited(message):
    run = await Run.objects.acreate(queue="async_limited", body="", message_id="", pid=0, thread="")
    await asyncio.sleep(20)
    run.finished = True
    await run.asave()


@django_sqs.receiver("to_celery", celery_task="shop.record", message_class=JSONMessage)
def arguments(message):
    return {"value": message["value"]}


django_sqs.register("to_celery_whole", celery_task="shop.record")


def receive_counted(message):
    run = record("counted", message)
    time.sleep(float(os.environ.get("TEST_COUNTED_SECONDS", "0.02")))
    Run.objects.filter(pk=run.pk).update(finished=True)


def receive_counted_together(messages):
    with transaction.atomic():
        runs = [record("counted", message) for message in messages]
    time.sleep(float(os.environ.get("TEST_COUNTED_SECONDS", "0.02")))
    Run.objects.filter(pk__in=[run.pk for run in runs]).update(finished=True)


if "TEST_COUNTED_BATCH" in os.environ:
    django_sqs.register(
        "counted", receive_counted_together, batch=int(os.environ["TEST_COUNTED_BATCH"]), wait=0.3
    )
else:
    django_sqs.register("counted", receive_counted)


@django_sqs.receiver("poison-batch", batch=5, wait=0.5)
def receive_poison_batch(messages):
    for message in messages:
        record("poison-batch", message)
    if any(message.get_body() == "kill" for message in messages):
        os._exit(70)


@django_sqs.receiver("once", once=True)
def receive_once(message):
    run = record("once", message)
    if message.get_body() == "restart" and run.receive_count == 1:
        raise django_sqs.RestartLater(delay=0)


@django_sqs.receiver("poison")
def receive_poison(message):
    record("poison", message)
    if message.get_body() == "kill":
        os._exit(70)


@django_sqs.receiver(
    "mortal",
    message_class=RawMessage,
    dead_letter_queue="mortal-dead",
    max_receives=int(os.environ.get("TEST_MAX_RECEIVES", "5")),
)
def receive_mortal(message):
    """Takes the seconds that the body names, or kills its process."""
    run = record("mortal", message)
    name, _, seconds = message.get_body().partition(" ")
    if name == "kill":
        os._exit(70)
    time.sleep(float(seconds or 0))
    Run.objects.filter(pk=run.pk).update(finished=True)


def receive_in_order(message):
    """Takes a moment, in which it may be killed."""
    run = record("lanes.fifo", message)
    time.sleep(0.3)
    Run.objects.filter(pk=run.pk).update(finished=True)


def receive_together_in_order(messages):
    for message in messages:
        receive_in_order(message)


if "TEST_LANES_BATCH" in os.environ:
    django_sqs.register(
        "lanes.fifo",
        receive_together_in_order,
        message_class=RawMessage,
        batch=int(os.environ["TEST_LANES_BATCH"]),
    )
else:
    django_sqs.register("lanes.fifo", receive_in_order, message_class=RawMessage)


@django_sqs.receiver("light")
def receive_light(message):
    message.get_body()


def receive_patiently(message):
    try:
        record("patient", message)
    except DatabaseError as exc:
        raise django_sqs.RestartLater(delay=1) from exc


django_sqs.register("patient", receive_patiently)
django_sqs.register("patient_closing", receive_patiently, close_database=True)


django_sqs.register("watched", dead_letter_queue="watched-dead", suffixes=["big"])
django_sqs.register("ordered.fifo", suffixes=["copy"])
django_sqs.register("copy")


@django_sqs.receiver("typed", message_class=JSONMessage)
def receive_typed(message):
    message["a"]


@django_sqs.receiver("broken")
def receive_broken(message):
    raise ValueError(message.get_body())


if "TEST_EVERY" in os.environ:

    @django_sqs.receiver(
        os.environ.get("TEST_TICKING", "ticking"),
        every=datetime.timedelta(seconds=int(os.environ["TEST_EVERY"])),
        once=True,
    )
    def receive_ticking(message):
        record("ticking", message)


HOARD = []


@django_sqs.receiver("hoarding", message_class=RawMessage)
def receive_hoarding(message):
    """Keeps the MiB that the body says, for ever."""
    HOARD.append(bytearray(b"x") * (int(message.get_body()) * 1024 * 1024))
    record("hoarding", message)


@django_sqs.receiver("talking")
def receive_talking(message):
    print(f"it says {message.get_body()}")  # noqa: T201 - as receivers do


if "TEST_FAILURES" in os.environ:

    @django_sqs.receiver("checkout", message_class=JSONMessage)
    def receive_checkout(message):
        """Fails as a shop's receiver may, for the pages about that."""
        order = message.get_body()
        rate = {"EUR": 1, "USD": 1.1}.get(order["currency"])
        if rate is None:
            raise ValueError(f"no rate for currency {order['currency']}")
        record("checkout", message, str(order["order"]))
