"""Memory that a worker's processes share stays shared, whatever the garbage collector does."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

import django_sqs

#: Prints how many MiB a forked process has for itself once it has collected its garbage.
FORKS = """
import contextlib, gc, os, sys
import boto3, django, kombu, django_sqs_kombu.working
from django_sqs.worker.frozen import frozen

with frozen() if sys.argv[1] == "frozen" else contextlib.nullcontext():
    if os.fork() == 0:
        gc.collect()
        kept = [line.split() for line in open("/proc/self/smaps_rollup")]
        print(next(int(line[1]) // 1024 for line in kept if line[0] == "Private_Dirty:"))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""


def own_memory(kind):
    done = subprocess.run(
        [sys.executable, "-c", FORKS, kind], capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_a_forked_process_keeps_what_it_shares_when_it_collects_its_garbage():
    assert own_memory("frozen") < own_memory("as it is") / 2


@pytest.mark.django_db(transaction=True)
def test_what_a_worker_has_loaded_is_looked_through_no_more_until_it_ends():
    frozen = []
    django_sqs.register("freezing", lambda message: frozen.append(gc.get_freeze_count())).send(
        body="x"
    )

    call_command("runreceiver", "freezing", message_limit=1)

    assert frozen[0] > 10_000
    # Nor is anything else of the process that called it kept for ever.
    assert gc.get_freeze_count() == 0
