"""The notes of what killed processes."""

import mmap
import os
import shutil
import subprocess
import sys
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from django_sqs.worker.crash_file import lasting_memory
from django_sqs.worker.crashes import MOST_DEATHS, REMEMBERED, CrashNotes

from ...processes import ROOT


@pytest.fixture
def notes():
    notes = CrashNotes(2, 2, mmap.mmap(-1, CrashNotes.size(2, 2)))
    yield notes
    notes.close()


def message(number):
    return SimpleNamespace(message_id=f"message-{number}")


def receive(notes, number):
    with notes.receiving(SimpleNamespace(name="orders"), message(number)):
        pass


def settle(notes, number):
    notes.settled(SimpleNamespace(delivery=message(number)))


def suspects(notes, number):
    return notes.admit(None, message(number)).alone


def refused(notes, number):
    return notes.admit(None, message(number)).refused


def begin_anew(notes):
    """As a process does that takes the place of one that died."""
    notes._free += notes._mine.values()
    notes._mine.clear()


def die_with(notes, *numbers):
    for number in numbers:
        receive(notes, number)
    notes.process_ended(notes.process)
    begin_anew(notes)


def test_what_ran_at_a_death_is_a_suspect_and_after_three_refused(notes):
    for deaths in range(1, MOST_DEATHS + 1):
        die_with(notes, 1)
        assert suspects(notes, 1)
        assert bool(refused(notes, 1)) is (deaths == MOST_DEATHS)

    assert not suspects(notes, 2)
    assert refused(notes, 1).deaths == MOST_DEATHS


def test_what_runs_is_told_with_its_queue_the_oldest_first(notes):
    for number in range(3):
        # A third has no place, since two run at once.
        receive(notes, number)
    notes.process = 1
    begin_anew(notes)
    receive(notes, 7)
    settle(notes, 7)
    receive(notes, 8)

    found = notes.running()

    assert [(each.process, each.queue, each.message_id) for each in found] == [
        (0, "orders", "message-0"),
        (0, "orders", "message-1"),
        (1, "orders", "message-8"),
    ]
    assert found[0].since <= found[1].since <= found[2].since <= time.monotonic()


def test_what_had_ended_is_no_suspect(notes):
    receive(notes, 1)
    settle(notes, 1)
    die_with(notes, 2)

    assert not suspects(notes, 1)
    assert suspects(notes, 2)


def test_messages_are_received_one_by_one_until_the_suspects_have_ended(notes, monkeypatch):
    monkeypatch.setattr("django_sqs.worker.crashes.LOOK", 0.0)
    assert not notes.unresolved()
    die_with(notes, 1, 2)
    assert notes.unresolved()

    receive(notes, 1)
    settle(notes, 1)
    assert notes.unresolved()
    # The other has killed so often that it is refused from now on.
    die_with(notes, 2)
    die_with(notes, 2)

    assert not notes.unresolved()
    assert suspects(notes, 1)
    assert refused(notes, 2)


def test_a_suspect_that_never_comes_back_slows_its_queue_for_a_while_only(notes, monkeypatch):
    monkeypatch.setattr("django_sqs.worker.crashes.LOOK", 0.0)
    die_with(notes, 1)
    assert notes.unresolved()
    monkeypatch.setattr("django_sqs.worker.crashes.PATIENCE", 0.0)

    assert not notes.unresolved()


def test_what_runs_at_a_stop_is_pardoned(notes):
    receive(notes, 1)
    notes.stopping()
    notes.process_ended(0)

    assert not suspects(notes, 1)


def test_the_oldest_is_forgotten_first(notes):
    for number in range(REMEMBERED + 3):
        die_with(notes, number)

    known = [number for number in range(REMEMBERED + 3) if suspects(notes, number)]
    assert known == list(range(3, REMEMBERED + 3))


def test_all_of_the_largest_batch_are_remembered():
    size = REMEMBERED + 20
    with closing(CrashNotes(1, size, mmap.mmap(-1, CrashNotes.size(1, size)))) as notes:
        die_with(notes, *range(size))

        assert all(suspects(notes, number) for number in range(size))
        assert notes.unresolved()


def test_one_that_is_a_prefix_of_another_is_not_taken_for_it(notes):
    die_with(notes, 12)

    assert not suspects(notes, 1)


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_memory_lasts_by_its_key_and_size():
    with lasting_memory("a", 10) as memory:
        memory[:3] = b"abc"
    with lasting_memory("b", 10) as other, lasting_memory("a", 20) as larger:
        assert bytes(other) == bytes(10)
        assert bytes(larger) == bytes(20)

    with lasting_memory("a", 10) as memory:
        assert memory[:3] == b"abc"


def test_nothing_to_remember_leaves_no_file(temporary_folder):
    with lasting_memory("a", 10) as memory:
        memory[:1] = b"1"
        memory[:1] = b"\0"

    assert [file for file in temporary_folder.rglob("*") if file.is_file()] == []


def test_two_at_a_time_have_memory_of_their_own():
    with lasting_memory("a", 10) as first, lasting_memory("a", 10) as second:
        first[:1] = b"1"
        assert second[:1] == b"\0"


def test_where_somebody_else_has_made_the_folder_another_is_used(temporary_folder, monkeypatch):
    (temporary_folder / "elsewhere").mkdir()
    (temporary_folder / f"django-sqs-{os.getuid()}").symlink_to(temporary_folder / "elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(temporary_folder / "cache"))

    for _ in range(2):
        with lasting_memory("a", 10) as memory:
            found = memory[:1]
            memory[:1] = b"1"

    assert found == b"1"
    assert list((temporary_folder / "elsewhere").iterdir()) == []


def test_without_a_folder_of_its_own_it_goes_on_and_says_so(temporary_folder, monkeypatch, caplog):
    (temporary_folder / f"django-sqs-{os.getuid()}").symlink_to(temporary_folder)
    (temporary_folder / "cache").mkdir()
    (temporary_folder / "cache" / "django-sqs").symlink_to(temporary_folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(temporary_folder / "cache"))

    with lasting_memory("a", 10) as memory:
        memory[:1] = b"1"

    assert "belongs to another user" in caplog.text


#: On a file system without room for what is mapped.
FULL = """
import subprocess, sys
from django_sqs.worker.crash_file import lasting_memory
folder = sys.argv[1]
done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder])
if done.returncode:
    sys.exit(77)
import tempfile
tempfile.tempdir = folder
with lasting_memory("a", 1_000_000) as memory:
    memory[:] = b"x" * 1_000_000
print("alive")
"""


def test_a_full_disk_does_not_kill_the_worker(temporary_folder):
    command = ["unshare", "--mount", sys.executable, "-c", FULL, str(temporary_folder)]
    if shutil.which("unshare") is None:
        pytest.skip("unshare of util-linux is not installed")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    if done.returncode in (1, 77):
        pytest.skip(f"nothing may be mounted here: {done.stderr}")

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
