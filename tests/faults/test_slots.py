"""Slots without a database, with real workers of which some are killed: each is sent once."""

import os
import random
import signal
import sys
import time
from collections import defaultdict
from datetime import datetime

import pytest

from ..processes import ROOT, Process
from .slot_worker import EVERY

SECONDS = EVERY.total_seconds()


@pytest.mark.parametrize("workers", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_each_slot_is_sent_once_by_many_workers_without_a_database(
    workers, fast_server, prefix, tmp_path, eventually
):
    file = tmp_path / "slots"
    file.touch()
    command = [sys.executable, "-m", "tests.faults.slot_worker"]
    command += [f"http://127.0.0.1:{fast_server}", prefix, str(file)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [Process(command, env) for _ in range(workers)]
    try:
        eventually(lambda: all("ready" in each.output for each in running), timeout=120)
        eventually(lambda: len(sent(file)) >= 2, timeout=60)
        for worker in random.sample(running, workers // 2):
            # About when a slot is due, where it matters.
            time.sleep(SECONDS - time.time() % SECONDS + random.uniform(0, 0.05))
            worker.signal(signal.SIGKILL)
        before = len(sent(file))
        eventually(lambda: len(sent(file)) >= before + 2, timeout=60)
        for worker in running:
            worker.signal(signal.SIGTERM)
        for worker in running:
            worker.wait(60)
    finally:
        for worker in running:
            worker.end()

    # A message that a killed worker held may have been received twice: one slot, one id.
    assert [ids for ids in sent(file).values() if len(ids) > 1] == []
    slots = sorted(datetime.fromisoformat(text).timestamp() for text in sent(file))
    assert slots == [slots[0] + SECONDS * number for number in range(len(slots))], "one is missing"


def sent(file):
    """The ids of the messages of each slot."""
    found = defaultdict(set)
    for line in file.read_text().splitlines():
        slot, message_id = line.split()
        found[slot].add(message_id)
    return found
