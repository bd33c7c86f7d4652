"""runreceiver --reload: how one worker follows another."""

import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from django_sqs.development import reloader
from django_sqs.development.reloader import Reloader


@pytest.fixture
def reloading(tmp_path, monkeypatch):
    """Starts a reloader of a command that notes what it is told, and does not stop on SIGTERM."""
    seen, notes = {}, tmp_path / "notes"
    notes.touch()
    monkeypatch.setattr(reloader, "_snapshot", seen.copy)
    monkeypatch.setattr(reloader, "LOOK", 0.01)
    script = (
        "trap 'echo told >> notes' TERM; trap 'echo broken off >> notes; exit 3' USR2;"
        "echo started >> notes; while :; do sleep 0.05; done"
    )
    monkeypatch.chdir(tmp_path)
    stopping, codes, threads = threading.Event(), [], []

    def start(**options):
        running = Reloader(["sh", "-c", script], stopping, **options)
        threads.append(threading.Thread(target=lambda: codes.append(running.run())))
        threads[-1].start()

    def change():
        seen[Path("changed.py")] = seen.get(Path("changed.py"), 0) + 1

    def stop():
        stopping.set()
        for thread in threads:
            thread.join(10)
        return codes

    yield SimpleNamespace(
        start=start, change=change, stop=stop, notes=lambda: notes.read_text().splitlines()
    )
    stop()


def test_a_change_breaks_no_poll_off_and_ends_all_but_one(reloading, eventually):
    """SQS may go on with a poll whose client is gone, and hide a message from the next worker."""
    reloading.start()
    eventually(lambda: reloading.notes() == ["started"])
    reloading.change()
    eventually(lambda: sorted(reloading.notes()) == ["started", "started", "told"])

    reloading.change()
    eventually(lambda: Counter(reloading.notes()) == {"started": 3, "told": 2, "broken off": 1})

    assert reloading.stop() == [3]
    assert reloading.notes().count("broken off") == 3


def test_a_worker_with_a_port_has_ended_before_the_next_one_starts(reloading, eventually):
    reloading.start(alone=True)
    eventually(lambda: reloading.notes() == ["started"])
    reloading.change()
    eventually(lambda: reloading.notes() == ["started", "broken off", "started"])

    assert reloading.stop() == [3]
