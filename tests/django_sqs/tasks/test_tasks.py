"""Django's Tasks on SQS, run by a real runreceiver."""

import json

import pytest

PRELUDE = """
import asyncio, json
from datetime import timedelta
from django.utils import timezone as tz
from tests.site.shop.tasks import *
"""


@pytest.fixture
def site(project):
    project.env["TEST_TASKS"] = "1"
    project.add_tables()
    return project


@pytest.fixture
def call(site):
    """Run code in the site; what it prints as JSON on its last line is returned."""

    def call(code, **env):
        # Without a log, whose threads would write into the line.
        env = {"TEST_QUIET": "1", **env}
        done = site.run("shell", "-v0", "-c", PRELUDE + code, **env)
        assert done.popen.returncode == 0, done.output
        lines = [line for line in done.output.splitlines() if line.startswith("JSON ")]
        assert lines or "JSON" not in code, f"nothing came of it:\n{done.output}"
        return json.loads(lines[-1].removeprefix("JSON ")) if lines else None

    return call


FACTS = """
def facts(*results):
    found = []
    for r in results:
        r.refresh()
        found.append({"status": str(r.status), "value": r._return_value, "attempts": r.attempts,
            "errors": [e.exception_class_path for e in r.errors], "id": r.id,
            "finished": r.finished_at is not None})
    print("JSON", json.dumps(found))
"""


@pytest.fixture
def result_of(call):
    def result_of(*wanted, **env):
        names = ", ".join(f"task_backends['default'].get_result({each!r})" for each in wanted)
        code = "from django_sqs.tasks.framework import task_backends"
        return call(f"{code}\n{FACTS}\nfacts({names})", **env)

    return result_of


def ids(expression):
    return f"print('JSON', json.dumps([r.id for r in {expression}]))"


def test_tasks_run_and_their_results_are_stored(site, call, result_of, eventually, prefix, counts):
    found = call(
        "a = add.enqueue(1, y=2); f = fail.enqueue(times=1); g = fail.enqueue(times=9);"
        "u = unserializable.enqueue(); r = restart.enqueue();"
        "b = asyncio.run(add_async.aenqueue(3, 4));" + ids("(a, b, f, g, u, r)")
    )
    names = ("tasks-default", "tasks-other")
    worker = site.start("runreceiver", *names, "--processes=1")
    for name in names:
        eventually(lambda name=name: counts(f"{prefix}__{name}") == (0, 0, 0), timeout=30)

    labels = ["add", "async", "fail once", "fail", "bad", "restart"]
    results = dict(zip(labels, result_of(*found), strict=True))

    assert results["add"]["status"] == "SUCCESSFUL"
    assert results["add"]["value"] == {"sum": 3}
    assert results["async"]["value"] == 7
    assert results["fail once"] | {"id": ""} == {
        "status": "SUCCESSFUL",
        "value": 2,
        "attempts": 2,
        "errors": ["builtins.ValueError"],
        "id": "",
        "finished": True,
    }
    assert results["fail"]["status"] == "FAILED"
    assert results["fail"]["errors"] == ["builtins.ValueError"] * 2
    assert results["bad"]["status"] == "FAILED"
    assert results["restart"]["attempts"] == 2
    assert results["restart"]["status"] == "SUCCESSFUL"
    assert site.bodies("add") == ["3"]
    assert "failure 2" in worker.output


def test_without_the_results_app_tasks_run_all_the_same(site, call, eventually):
    env = {"TEST_WITHOUT_RESULTS": "1"}
    found = call(
        "r = add.enqueue(1, 2)\n"
        "try: r.refresh()\n"
        "except NotImplementedError as e: print('JSON', json.dumps([str(r.status), str(e)]))",
        **env,
    )
    call("fail.enqueue(times=1)", **env)
    site.start("runreceiver", "tasks-default", **env)

    eventually(lambda: site.bodies("add") == ["3"], timeout=30)
    eventually(lambda: [run["receive_count"] for run in site.runs("fail")] == [1, 2], timeout=30)

    assert found[0] == "READY"
    assert "does not support" in found[1]


@pytest.mark.slow
def test_a_task_runs_again_after_its_process_died(site, call, result_of, eventually):
    [found] = call("r = die.enqueue();" + ids("(r,)"))
    site.start("runreceiver", "tasks-default", TEST_VISIBILITY_TIMEOUT="3")

    eventually(lambda: len(site.runs("die")) == 1, timeout=30)
    # One queue, no supervisor: the worker is gone.
    site.start("runreceiver", "tasks-default", TEST_VISIBILITY_TIMEOUT="3")
    eventually(lambda: len(site.runs("die")) == 2, timeout=30)
    [result] = eventually(
        lambda: [r for r in result_of(found) if r["status"] == "SUCCESSFUL"], timeout=30
    )

    assert result["attempts"] == 2


def test_run_after_and_enqueue_many(site, call, eventually, server, prefix, counts):
    call(
        "note('before', ''); at = tz.now() + timedelta(seconds=6);"
        "add.using(run_after=at).enqueue(100, 0);"
        "b = add.get_backend(); b.enqueue_many([(add, (n, 0), {}) for n in range(25)])"
    )
    name = f"{prefix}__tasks-default"
    # One that is due just now is neither delayed nor visible for a moment.
    eventually(lambda: sum(counts(name)) == 26)
    assert server.count("SendMessageBatch", name) == 3
    assert server.count("SendMessage", name) == 1
    site.start("runreceiver", "tasks-default")

    eventually(lambda: len(site.runs("add")) == 26, timeout=30)
    started = {run["body"]: run["started_at"] for run in site.runs("add")}
    [before] = [run["started_at"] for run in site.runs("before")]

    # SQS counts whole seconds of the delay, so it may come a second early.
    assert seconds(started["100"]) - seconds(before) >= 5


def seconds(text):
    hours, minutes, rest = text.split(" ")[1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@pytest.mark.parametrize("results", ["with", "without"])
def test_a_task_waits_for_the_commit_and_goes_with_the_rollback(
    results, site, call, prefix, counts
):
    env = {"TEST_WITHOUT_RESULTS": "1"} if results == "without" else {}
    call(
        """
from django.apps import apps
from django.db import router, transaction
with transaction.atomic():
    with transaction.atomic():
        add.enqueue(1, 1)
    try:
        with transaction.atomic():
            add.enqueue(2, 2)
            raise KeyError
    except KeyError:
        pass
try:
    with transaction.atomic():
        add.enqueue(3, 3)
        raise KeyError
except KeyError:
    pass
if apps.is_installed("django_sqs.results"):
    from django_sqs.results.models import TaskRecord
    records = TaskRecord.objects.using(router.db_for_write(TaskRecord))
    assert records.count() == 1, records.all()
""",
        **env,
    )

    assert counts(f"{prefix}__tasks-default") == (1, 0, 0)


@pytest.mark.slow
def test_higher_priorities_run_first(site, call, eventually):
    call("[ranked.using(priority=p).enqueue(f'{p}-{n}') for n in range(12) for p in (-60, 0, 60)]")
    site.start("runreceiver", "levels-ranked", "levels-ranked-p50", "levels-ranked-m50")

    eventually(lambda: len(site.runs("ranked")) == 36, timeout=60)
    order = [body.rpartition("-")[0] for body in site.bodies("ranked")]

    # A few come early or late, as the answers of the three queues come in.
    places = {p: [n for n, each in enumerate(order) if each == p] for p in ("60", "0", "-60")}
    means = {p: sum(found) / len(found) for p, found in places.items()}
    assert means["60"] < means["0"] < means["-60"]
    assert order[-1] == "-60"


def test_fifo_tasks_keep_their_order(site, call, eventually):
    call("[in_order.enqueue(n) for n in range(8)]")
    site.start("runreceiver", "tasks-ordered.fifo", "--threads=4")

    eventually(lambda: len(site.runs("in_order")) == 8, timeout=30)

    assert site.bodies("in_order") == [str(n) for n in range(8)]


def test_an_unknown_task_is_tried_again_and_stops_nothing(site, call, eventually, prefix, counts):
    call(
        "import django_sqs;"
        "base = dict(id='i', args=[], kwargs={}, backend='default', queue='default',"
        " enqueued_at=tz.now().isoformat());"
        "[django_sqs.send('tasks-default', body={**base, 'task': t}) for t in"
        " ('os.system', 'no.such', 'tests.site.shop.tasks.note')];"
        "django_sqs.send('tasks-default', body={'odd': 1});"
        "django_sqs.send('tasks-default', body=[1]); add.enqueue(1, 1)"
    )
    worker = site.start("runreceiver", "tasks-default")

    eventually(lambda: site.bodies("add") == ["2"], timeout=30)
    eventually(lambda: worker.output.count("is tried again later") >= 3, timeout=30)
    eventually(lambda: worker.output.count("cannot be decoded") == 2, timeout=30)
    for path in ("os.system", "no.such", "tests.site.shop.tasks.note"):
        said = f"There is no task '{path}' in this project"
        eventually(lambda said=said: said in worker.output, timeout=30)


def test_bad_arguments_and_options_are_refused_at_once(call):
    found = call(
        """
from django_sqs.tasks import SQSBackend
from django.core.exceptions import ImproperlyConfigured
said = []
def refused(fn):
    try: fn()
    except Exception as e: said.append(f"{type(e).__name__}: {e}")
    else: said.append("accepted")
refused(lambda: add.enqueue(object(), 1))
refused(lambda: add.using(priority=5))
refused(lambda: add.using(queue_name="nowhere"))
refused(lambda: in_order.using(run_after=tz.now()))
wrong = {"speed": 1, "max_attempts": 0, "priority_levels": [200], "message_group": 1}
wrong |= {"timeout": float("inf"), "visibility_timeout": 60.0, "dead_letter_queue": "",
    "max_receives": 5, "on_commit": "no", "queue_name_prefix": 5,
    "retry": 5, "discard": "no.such.Error", "dead_letter": [5]}
for options in ({name: value} for name, value in wrong.items()):
    refused(lambda: SQSBackend("x", {"OPTIONS": options}))
refused(lambda: SQSBackend("x", {"OPTIONS": None}))
for queues in ([], "default", None, ["default", 5], [""]):
    refused(lambda: SQSBackend("x", {"QUEUES": queues}))
print("JSON", json.dumps(said))
"""
    )

    for text, part in zip(
        found,
        (
            "TypeError: Unsupported type",
            "does not support setting priority",
            "'nowhere' is not valid",
            "run_after needs a queue that is not FIFO",
            "no option 'speed'",
            "['max_attempts'] must be",
            "['priority_levels'] must be",
            "['message_group'] must be",
            "['timeout'] must be",
            "['visibility_timeout'] must be",
            "['dead_letter_queue'] must be",
            "['max_receives'] is meaningful only with 'dead_letter_queue'",
            "['on_commit'] must be",
            "['queue_name_prefix'] must be",
            "['retry'] must be a dict of the arguments of django_sqs.Retry",
            "['discard'] must be an exception class",
            "['dead_letter'] must be an exception class",
            "['OPTIONS'] must be a dict, not None",
            "['QUEUES'] must name",
            *["['QUEUES'] must be a list of names"] * 4,
        ),
        strict=True,
    ):
        assert part in text


def test_a_result_that_was_not_sent_is_not_kept(site, call):
    found = call(
        """
from django_sqs.results.models import TaskRecord
said = []
one = lambda: add.enqueue(1, 1)
many = lambda: add.get_backend().enqueue_many([(add, (1, 1), {})])
for enqueue in (one, many):
    try: enqueue()
    except Exception as e: said.append(type(e).__name__)
from django.db import router
print("JSON", json.dumps([said, TaskRecord.objects.using(router.db_for_write(TaskRecord)).count()]))
""",
        TEST_CREATE_QUEUES="no",
    )

    assert found == [["QueueDoesNotExist", "SendManyFailed"], 0]


def test_signals_are_sent(call):
    found = call(
        """
from django_sqs.tasks.framework import task_enqueued
heard = []
def hear(sender, task_result, **kw):
    heard.append([sender.__name__, task_result.id])
task_enqueued.connect(hear)
r = add.enqueue(1, 1)
s = add.get_backend().enqueue_many([(add, (1, 1), {})])
print("JSON", json.dumps(heard == [["SQSBackend", x.id] for x in (r, *s)]))
"""
    )

    assert found is True


@pytest.mark.slow
def test_a_worker_with_threads_and_a_site_that_enqueues_share_a_database(site, call, eventually):
    worker = site.start("runreceiver", "tasks-default", "--threads=4", TEST_QUIET="1")
    call("[add.enqueue(n, 0) for n in range(60)]", TEST_QUIET="1")
    eventually(lambda: len(site.bodies("add")) >= 60, timeout=60)
    worker.end()

    assert sorted(map(int, site.bodies("add"))) == list(range(60))
    found = call(
        "from django.db import router\n"
        "from django_sqs.results.models import TaskRecord\n"
        "records = TaskRecord.objects.using(router.db_for_write(TaskRecord))\n"
        "print('JSON', json.dumps([r.status for r in records.all()]))"
    )
    assert found == ["SUCCESSFUL"] * 60
