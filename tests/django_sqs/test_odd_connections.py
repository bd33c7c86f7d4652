"""Connections that fail by something that is no error of a database's.

As where a backend asks AWS for the password, and AWS does not answer.
"""

import builtins
import json

import pytest
from django.db import connections

import django_sqs
from django_sqs_kombu import RawMessage, Retry
from django_sqs_kombu.working.handling import handle
from django_sqs_kombu.working.table import Action

from ..django_sqs_kombu.working.fakes import FakeDelivery

BACKEND = """
from django.db.backends.sqlite3 import base

#: How often what is to fail still does, and what by.
fails, left, error = "", 0, None
#: How often it does not before.
spared = 0

def fail(what):
    global left, spared
    if left and fails == what:
        if spared:
            spared -= 1
            return
        left -= 1
        raise error("AWS did not tell the password")

class Router:
    def db_for_write(self, model, **hints):
        global left
        if left and fails == "answer":
            left -= 1
            return "nowhere"
        fail("router")

class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, params):
        fail("connection")
        return super().get_new_connection(params)
"""

SETTINGS = """
import os
from tests.site.settings import *
DATABASES = {"default": {**DATABASES["default"], "ENGINE": "asking"}}
DATABASE_ROUTERS = ["asking.base.Router"]
SQS_RESTART_BACKOFF = 0
SQS_CONN_MAX_AGE = 0
"""

SCRIPT = """
import json
from functools import partial
from django.db import connections
import asking.base
import django_sqs
from django_sqs.message import ModelInstanceMessage
from django_sqs.signals import message_settled
from django_sqs_kombu import ReceiverConsumer
from tests.site.shop.models import Order, Run
from tests.site.shop.tasks import add


def note(sender, raised, **kwargs):
    seen.append(type(raised).__name__)

seen = []
message_settled.connect(note)

def note_it(message):
    Order.objects.create(title="had")

async def note_soon(message):
    await Order.objects.acreate(title="had")

def batch(messages):
    for message in messages:
        note_it(message)

def instance(message):
    message.get_body()
    note_it(message)

class Reading(django_sqs.message.RawMessage):
    "A message class that runs a query."
    def decode(self, value):
        return Order.objects.count()

def send_first(message, **options):
    queue = django_sqs.queues["plain"]
    queue.send(body="x", **options)
    note_it(message)

def enqueue_first(message):
    add.enqueue(1, 2)
    note_it(message)

def run(kind):
    options, receiver, value = {}, note_it, {"body": "x"}
    if kind == "once":
        options = {"once": True}
    elif kind == "once in a batch":
        options, receiver = {"once": True, "batch": 5, "wait": 0.1}, batch
    elif kind == "a coroutine":
        receiver = note_soon
    elif kind == "a row":
        options, receiver = {"message_class": ModelInstanceMessage}, instance
        value = {"instance": Order.objects.create(title="row")}
    elif kind == "a class that reads":
        options, receiver = {"message_class": Reading}, note_it
    elif kind == "a ticket":
        value = {"body": "x", "ticket": True}
    elif kind == "the outbox":
        receiver = partial(send_first, outbox=True)
    elif kind == "enqueuing":
        receiver = enqueue_first
    elif kind == "a key":
        receiver = partial(send_first, unique="a", unique_for=60)
    if kind == "a task":
        add.enqueue(1, 2)
        queue = django_sqs.queues["tasks-default"]
    else:
        queue = django_sqs.register("odd-" + kind.replace(" ", "-"), receiver, **options)
        queue.send(**value)
    connections.close_all()
    del seen[:]
    asking.base.fails, asking.base.left, asking.base.error = FAILS, 1, ERROR
    asking.base.spared = SPARED
    ReceiverConsumer(django_sqs.receivers, [queue], message_limit=LIMIT).run()
    left, asking.base.left = asking.base.left, 0
    had, done = Order.objects.filter(title="had"), Run.objects.filter(queue="add")
    print("JSON", json.dumps([left, had.count() + done.count(), seen]))

run(KIND)
"""

KINDS = [
    "plain",
    "a coroutine",
    "once",
    "once in a batch",
    "a row",
    "a class that reads",
    "a ticket",
    "a task",
]


#: By what the receiver, or the message class, raises itself.
RAISED = {
    "plain": "NotConnected",
    "a coroutine": "NotConnected",
    "a class that reads": "MessageDecodeError",
}


@pytest.mark.parametrize(
    "kind",
    [
        *("once", "once in a batch", "a row", "a task", "a ticket"),
        *("the outbox", "a key", "enqueuing"),
    ],
)
@pytest.mark.parametrize("fails", ["router", "answer"])
def test_nor_where_a_router_fails(project, tmp_path, kind, fails):
    left, effects, seen = results(project, tmp_path, kind, "RuntimeError", fails)

    sends = kind in ("the outbox", "a key", "enqueuing")
    raised = "NotConnected" if sends else "EnvironmentFailure"
    assert (left, effects, seen) == (0, 1, [raised, "NoneType"])


def test_nor_where_one_fails_that_has_told_where_a_task_begins(project, tmp_path):
    left, effects, seen = results(project, tmp_path, "a task", "RuntimeError", "router", spared=1)

    assert (left, effects, seen) == (0, 1, ["EnvironmentFailure", "NoneType"])


def test_a_task_has_not_failed_where_a_router_does_when_its_end_is_noted(project, tmp_path):
    left, effects, seen = results(
        project, tmp_path, "a task", "RuntimeError", "router", spared=3, limit=1
    )

    assert (left, effects, seen) == (0, 1, ["NoneType"])


@pytest.mark.parametrize("error", ["RuntimeError", "ValueError"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_message_is_lost(project, tmp_path, kind, error):
    left, effects, seen = results(project, tmp_path, kind, error)

    assert (left, effects, seen) == (0, 1, [RAISED.get(kind, "EnvironmentFailure"), "NoneType"])


class Away(Exception):
    """What the backend of a project raises."""


def connect(message):
    """A receiver whose database's backend fails."""
    default = connections["default"]

    class Asking(type(default)):
        def get_new_connection(self, params):
            raise Away("AWS did not tell the password")

    Asking(default.settings_dict, "default").ensure_connection()


def connect_in_a_group(message):
    try:
        connect(message)
    except Away as exc:
        raise builtins.ExceptionGroup("several", [exc]) from None


class Connecting(RawMessage):
    def decode(self, value):
        connect(self)


def handled(receiver, receives, **options):
    queue = django_sqs.register(receiver.__name__, receiver, **options)
    delivery = FakeDelivery(receive_count=receives)
    return handle(queue, delivery, queue.get_queue()).action


@pytest.mark.parametrize("receives", [1, 40])
def test_what_a_queue_tries_again_by_its_class_has_its_tries(db, receives):
    again = Retry(Away, tries=50)

    assert handled(connect, receives, retry=again) is Action.REQUEUE
    assert handled(print, receives, message_class=Connecting, retry=again) is Action.REQUEUE
    if hasattr(builtins, "ExceptionGroup"):
        assert handled(connect_in_a_group, receives, retry=again) is Action.REQUEUE


def test_what_all_queues_try_again_by_its_class_is_not_lost(db, settings):
    settings.SQS_RETRY_ON = [Away]

    assert handled(connect, 1) is Action.REQUEUE
    assert handled(print, 1, message_class=Connecting) is Action.REQUEUE


@pytest.mark.parametrize("policy", ["discard", "dead_letter"])
def test_what_a_queue_gives_up_by_its_class_is_tried_again(db, policy):
    assert handled(connect, 1, **{policy: Away}) is Action.REQUEUE


def test_what_a_queue_tries_again_whatever_it_is_counts_as_of_the_database(db):
    assert handled(connect, 5, retry=Retry(Exception, tries=2)) is Action.REQUEUE


def results(project, tmp_path, kind, error, fails="connection", spared=0, limit=2):
    """How often it was still to fail, how many effects there are, and what was raised."""
    project.add_tables()
    (tmp_path / "odd_connections.py").write_text(SETTINGS)
    (tmp_path / "asking").mkdir()
    (tmp_path / "asking" / "base.py").write_text(BACKEND)
    project.env["PYTHONPATH"] = f"{tmp_path}:{project.env.get('PYTHONPATH', '')}"

    script = SCRIPT.replace("KIND", repr(kind)).replace("FAILS", repr(fails))
    script = script.replace("ERROR", error).replace("SPARED", str(spared))
    script = script.replace("LIMIT", str(limit))
    more = {"DJANGO_SETTINGS_MODULE": "odd_connections", "DB": "", "TEST_TASKS": "1"}
    done = project.run("shell", "-c", script, **more)

    found = [line[5:] for line in done.output.splitlines() if line.startswith("JSON ")]
    assert found, done.output
    return json.loads(found[0])
