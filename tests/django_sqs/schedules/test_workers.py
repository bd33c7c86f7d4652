"""Schedules with real workers: each slot once, whoever dies."""

import os
import random
import signal
import time
from datetime import datetime

import pytest

pytestmark = pytest.mark.usefixtures("site")

EVERY = 3


def slots_of(project):
    return [run["body"] for run in project.runs("ticking")]


LONG = pytest.mark.skipif(os.environ.get("FAULTS") != "long", reason="twenty take a minute")


@pytest.mark.parametrize("workers", [2, pytest.param(20, marks=LONG)])
def test_each_slot_is_sent_once_over_many_workers_of_which_some_are_killed(
    workers, project, eventually, counts, prefix
):
    project.add_tables()
    running = [
        project.start("runreceiver", "ticking", TEST_EVERY=str(EVERY), TEST_SQLITE_TIMEOUT="30")
        for _ in range(workers)
    ]
    eventually(lambda: len(slots_of(project)) >= 2, timeout=120)
    for worker in random.sample(running, workers // 2):
        # About when a slot is due, where it matters.
        time.sleep(EVERY - time.time() % EVERY + random.uniform(0, 0.05))
        worker.signal(signal.SIGKILL)
    before = len(slots_of(project))
    eventually(lambda: len(slots_of(project)) >= before + 2, timeout=120)
    for worker in running:
        worker.signal(signal.SIGTERM)
    for worker in running:
        worker.wait(60)

    rows = project.rows(
        "django_sqs_schedules",
        "SELECT slot FROM django_sqs_schedules_slot WHERE name = ?",
        "ticking",
    )
    found = slots_of(project)
    assert len(set(found)) == len(found), "a slot was run twice"
    assert {datetime.fromisoformat(text).timestamp() % EVERY for text in found} == {0}
    # What was not run before the end is still to be: in SQS or in the outbox.
    waiting = project.rows("django_sqs_outbox", "SELECT id FROM django_sqs_outbox_outboxmessage")
    assert len(found) + sum(counts(f"{prefix}__ticking")) + len(waiting) == len(rows)


def test_without_the_app_one_process_of_a_runreceiver_sends_the_slots_of_a_fifo_queue(
    project, eventually, server, prefix
):
    project.add_tables()
    worker = project.start(
        "runreceiver",
        "ticking.fifo",
        "--processes=2",
        TEST_EVERY="1",
        TEST_TICKING="ticking.fifo",
        TEST_WITHOUT_SCHEDULES="1",
    )

    eventually(lambda: len(slots_of(project)) >= 2, timeout=60)
    worker.signal(signal.SIGTERM)
    worker.wait(60)

    found = slots_of(project)
    assert len(set(found)) == len(found)
    assert server.requests["SendMessage", f"{prefix}__ticking.fifo"] in range(
        len(found), len(found) + 3
    )
