"""Policies in a Django project: settings, tasks, checks, and the table of a queue."""

import json
from io import StringIO

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError
from django.test import modify_settings

import django_sqs
from django_sqs import Breaker, Retry
from django_sqs.conf import SETTINGS, conf
from django_sqs.optional import wakers
from django_sqs.tasks.options import TaskOptions
from django_sqs.wake.calls import WakeOnSend
from django_sqs_kombu import Policy, ReceiverConsumer, exceptions, exponential
from django_sqs_kombu.working import Action, Attempts, Trip, row_for


@pytest.fixture
def register(site):
    before = dict(django_sqs.receivers.queues)
    django_sqs.receivers.queues.clear()
    yield lambda name, **options: django_sqs.register(name, print, **options)
    django_sqs.receivers.queues.clear()
    django_sqs.receivers.queues.update(before)


def found():
    return [(each.id, each.obj) for each in run_checks(tags=["django_sqs"])]


def test_the_settings_are_for_queues_that_say_nothing(site, register):
    site.SQS_RETRY = {"on": ["django.db.DatabaseError", OSError], "tries": 3, "backoff": [1, 2]}
    site.SQS_DISCARD = ["django.core.exceptions.ObjectDoesNotExist"]
    site.SQS_DEAD_LETTER = [ValueError]

    policy = register("orders").policy

    assert policy == conf.policy
    assert policy.retry == (Retry((DatabaseError, OSError), 3, [1, 2]),)
    assert policy.dead_letter == (ValueError,)
    assert register("own", retry=()).policy.retry == ()


def test_a_setting_may_hold_the_classes_themselves(site):
    site.SQS_RETRY = [Retry(OSError, backoff=exponential(1)), {"on": "builtins.KeyError"}]

    assert conf.policy.retry == (Retry(OSError, backoff=exponential(1)), Retry(KeyError))


def test_an_unavailable_database_passes_before_everything_is_buried(register):
    table = register("orders", dead_letter=Exception, dead_letter_queue="dead").table

    assert row_for(OperationalError(), Attempts(10), table).action is Action.REQUEUE
    assert row_for(OperationalError(), Attempts(11), table).action is Action.DEAD_LETTER


def test_one_check_names_all_queues_that_delete_what_fails(site, register):
    register("plain")
    register("kept", dead_letter_queue="dead")
    register("tried", retry=Retry())
    register("meant", on_error="delete")
    register("started", delete_on_start=True)
    django_sqs.register("sending")

    register("bare")

    with modify_settings(INSTALLED_APPS={"remove": "django_sqs.failures"}):
        [warning] = run_checks(tags=["django_sqs"])
    assert (warning.id, warning.msg) == (
        "django_sqs.W007",
        "Messages whose receiver fails are deleted. Queues: 'plain', 'bare'.",
    )

    site.SQS_RETRY = {"tries": 3}
    assert found() == []


def test_what_an_app_keeps_of_failed_messages_is_not_called_lost(site, register, monkeypatch):
    register("plain")
    config = apps.get_app_config("django_sqs_failures")
    monkeypatch.setattr(config, "notes", True)

    [warning] = run_checks(tags=["django_sqs"])
    assert "kept by django_sqs.failures. Queues: 'plain'." in warning.msg

    monkeypatch.setattr(config, "keep_body", False)
    [warning] = run_checks(tags=["django_sqs"])
    assert "kept" not in warning.msg


def test_a_check_names_tries_that_sqs_cuts_short(register):
    more = {"retry": Retry(tries=8), "max_receives": 5}
    register("orders.fifo", dead_letter_queue="dead.fifo", **more)
    register("enough.fifo", dead_letter_queue="dead.fifo", retry=Retry(tries=8), max_receives=8)
    # Before SQS would bury it, it is sent again.
    register("standard", dead_letter_queue="dead", **more)

    assert found() == [("django_sqs.W008", "orders.fifo")]


def test_a_check_names_dead_letters_that_go_nowhere(register):
    register("orders", retry=Retry(), dead_letter=ValueError)

    assert found() == [("django_sqs.W009", "orders")]


def test_the_table_of_a_queue_is_printed(register, site):
    register(
        "orders",
        retry=[Retry(OSError, 8, [10, 60, 600]), Retry(KeyError, 2, exponential(), jitter=False)],
        discard=FileNotFoundError,
        dead_letter=ValueError,
        dead_letter_queue="dead",
    )
    out = StringIO()
    call_command("sqs_status", "orders", policy=True, stdout=out)
    lines = [line.split("  ", 1) for line in out.getvalue().splitlines() if "  " in line]
    told = {when: what.strip() for when, what in lines}
    dead = f"{site.SQS_QUEUE_PREFIX}__dead"

    assert told["returns"] == "deleted"
    assert told["raises FileNotFoundError"] == "deleted, as its queue's policy says"
    assert told["raises OSError, before try 8"] == (
        "tried again after 10, 60, 600 s and up to half more"
    )
    assert told["raises OSError, at try 8"] == f"sent to {dead}, with the reason"
    assert told["raises KeyError, before try 2"] == (
        "tried again after 10 s, then 2 times as long each, up to 900 s"
    )
    assert told["raises ValueError"] == f"sent to {dead}, with the reason"
    assert told["raises OperationalError, for 10 receives"] == "tried again later"
    assert told["raises anything else"].startswith(f"left to SQS, which moves it to {dead}")
    assert told["runs longer than its timeout"] == told["raises anything else"]
    # Of the library's own classes those alone that a receiver is meant to raise.
    raised = {when.split()[1].rstrip(",") for when in told if when.startswith("raises ")}
    assert raised & {*vars(exceptions)} == {"Continue", "RestartLater"}
    order = list(told)[1:]
    assert order.index("raises FileNotFoundError") < order.index("raises OSError, before try 8")

    out = StringIO()
    call_command("sqs_status", "orders", policy=True, format="json", stdout=out)
    rows = json.loads(out.getvalue())
    assert rows[1]["queue"] == "orders"
    assert [row["receiver"] for row in rows] == order


def test_what_policies_send_is_permitted(register, site):
    register("orders", retry=Retry(OSError), dead_letter_queue="dead")
    out = StringIO()
    call_command("sqs_policy", stdout=out)

    [sends] = [
        statement["Resource"]
        for statement in json.loads(out.getvalue())["Statement"]
        if statement["Action"] == ["sqs:SendMessage"]
    ]
    assert [arn.rpartition("__")[2] for arn in sends] == ["dead", "orders"]


@pytest.mark.parametrize("shared", [True, False])
def test_what_shared_breakers_need_is_permitted(register, site, shared):
    register("orders", breaker=Breaker(shared=shared))
    register("others")
    out = StringIO()
    call_command("sqs_policy", stdout=out)

    tags = [
        statement["Resource"]
        for statement in json.loads(out.getvalue())["Statement"]
        if statement["Action"] == ["sqs:TagQueue"]
    ]
    assert [[arn.rpartition("__")[2] for arn in each] for each in tags] == (
        [["orders"]] if shared else []
    )


@pytest.mark.parametrize(("shared", "told"), [(True, ["shop__orders/pauses"]), (False, [])])
def test_workers_are_woken_when_a_shared_breaker_opens(register, monkeypatch, shared, told):
    called = []
    monkeypatch.setitem(wakers._offers, ("django_sqs", ""), called.append)
    wake = WakeOnSend()
    queue = register("orders", breaker=Breaker(shared=shared))
    wake.tripped(queue, "shop__orders", Trip(60, 10, 20, shared=shared))
    wake.tripped(queue, "shop__orders", None)

    assert called == told


def test_options_of_tasks_make_a_policy():
    options = TaskOptions.read(
        "default",
        {"retry": {"on": "builtins.OSError", "tries": 4}, "discard": ["builtins.KeyError"]},
    )

    assert options.policy == Policy((Retry(OSError, 4),), (KeyError,))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retry": {"tries": 3}, "max_attempts": 2}, "'retry' or 'max_attempts', not both"),
        ({"retry": 3}, "it is 3"),
        ({"discard": ["no.such.Error"]}, "no"),
        ({"on_error": "x"}, "on_error must be 'delete'"),
        ({"policy": 3}, "no option 'policy'"),
    ],
)
def test_options_of_tasks_that_cannot_work(options, says):
    with pytest.raises(ImproperlyConfigured, match=says):
        TaskOptions.read("default", options)


def test_workers_that_share_a_cache_share_a_rate(site, tmp_path):
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    site.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    counter = django_sqs.receivers.counter

    assert [counter("a", 3, 60), counter("a", 4, 60), counter("b", 1, 60)] == [3, 7, 1]


@pytest.mark.parametrize("backend", ["locmem.LocMemCache", "dummy.DummyCache"])
def test_with_a_cache_of_its_own_each_process_has_the_rate(site, backend):
    site.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}

    assert django_sqs.receivers.counter is None


def test_a_check_names_rates_that_each_process_has_for_itself(register, site, tmp_path):
    site.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    register("orders", rate="900/m", on_error="delete")
    register("others", on_error="delete")
    assert found() == [("django_sqs.W014", "orders")]

    backend = "django.core.cache.backends.filebased.FileBasedCache"
    site.CACHES = {"default": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    assert found() == []


def test_whose_a_sample_of_the_messages_is(register, site):
    queue = register("orders", tenant=lambda message: message.get_body()[0])
    register("missing")
    queue.send_many(["a1", "b1", "a2", "a3"])
    out = StringIO()
    call_command("sqs_status", tenants=100, format="json", stdout=out)

    assert json.loads(out.getvalue()) == [
        {"queue": "orders", "tenant": "a", "messages": 3},
        {"queue": "orders", "tenant": "b", "messages": 1},
    ]
    with pytest.raises(CommandError, match="tenants"):
        call_command("sqs_status", tenants=201)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "wrong",
    [
        {"SQS_RETRY_ON": ["no.such.Error"]},
        {"SQS_RETRY_TRIES": None},
        {"SQS_RETRY": {"on": "nothing"}},
        {"SQS_DISCARD": ["no.such.Error"]},
    ],
)
def test_a_setting_that_is_wrong_while_a_receiver_fails_loses_and_holds_no_message(
    wrong, threads, site
):
    """As one that a test overrides around a consumer that runs in a thread."""
    site.SQS_RESTART_BACKOFF = 0
    right = {name: getattr(site, name, SETTINGS[name].default) for name in wrong}
    ran = []

    def put(values):
        for name, value in values.items():
            setattr(site, name, value)

    def receive(message):
        ran.append(message.id)
        put(wrong if len(ran) == 1 else right)
        if len(ran) == 1:
            raise ValueError("as if the setting were right")

    queue = django_sqs.register("overridden", receive)
    queue.send(body="x")
    try:
        ReceiverConsumer(django_sqs.receivers, [queue], threads=threads, message_limit=2).run()
    finally:
        put(right)

    assert len(ran) == 2
