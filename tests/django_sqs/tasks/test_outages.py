"""The database of the results gone while tasks run: none is lost, and each result ends."""

import json
import time
from collections import Counter

import pytest

from ...databases.kinds import running
from ...project import Project

pytestmark = pytest.mark.slow

PRELUDE = """
import json
from tests.site.shop.tasks import *
from django_sqs.results.models import TaskRecord
"""
STATUSES = "print('JSON', json.dumps(list(TaskRecord.objects.values_list('status', flat=True))))"


@pytest.fixture
def postgres():
    with running("postgres") as postgres:
        yield postgres


@pytest.fixture
def site(postgres, server, prefix, tmp_path):
    project = Project(server.url, prefix, tmp_path)
    project.env |= {"TEST_TASKS": "1", "TEST_QUIET": "1"}
    project.use("postgres", str(postgres.port))
    yield project
    project.end_processes()


def call(site, code):
    done = site.run("shell", "-v0", "-c", PRELUDE + code)
    assert done.popen.returncode == 0, done.output
    lines = [line for line in done.output.splitlines() if line.startswith("JSON ")]
    return json.loads(lines[-1].removeprefix("JSON ")) if lines else None


def test_an_outage_of_the_database_loses_no_task_and_no_result(site, postgres, eventually):
    call(site, "add.get_backend().enqueue_many([(add, (n, 0), {}) for n in range(60)])")
    worker = site.start("runreceiver", "tasks-default", "--threads=3")
    eventually(lambda: len(site.bodies("add")) >= 5, timeout=60)
    postgres.stop()
    time.sleep(2)
    postgres.start()

    eventually(lambda: Counter(call(site, STATUSES)) == {"SUCCESSFUL": 60}, timeout=90)
    assert sorted(map(int, set(site.bodies("add")))) == list(range(60))
    assert worker.popen.poll() is None
