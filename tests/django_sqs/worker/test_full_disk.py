"""A disk without room, and a user without a home: workers start and run all the same."""

import os
import subprocess
import sys

import pytest

from django_sqs.worker.companions import Turn
from django_sqs.worker.crash_file import lasting_memory
from django_sqs.worker.shared_limit import SharedLimit

from ...processes import ROOT


@pytest.fixture
def no_room(monkeypatch):
    """Have no folder for temporary files, as where none has room."""

    def gettempdir():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", gettempdir)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")
def test_what_forked_processes_share_needs_no_disk(no_room):
    turn, limit = Turn(), SharedLimit(3, 1)

    assert turn.taken()
    assert limit.reserve(5) == 3


def test_what_kills_a_worker_is_remembered_elsewhere(no_room, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    for _ in range(2):
        with lasting_memory("a", 10) as memory:
            found = memory[:1]
            memory[:1] = b"1"

    assert found == b"1"


def test_a_user_without_a_home_has_a_worker_without_that_memory(no_room, monkeypatch, caplog):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", home)

    with lasting_memory("a", 10) as memory:
        memory[:1] = b"1"

    assert "If a message kills this process, that cannot be recorded" in caplog.text


def test_a_user_without_a_home_has_that_memory_in_the_temporary_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError("none")))

    with lasting_memory("a", 10) as memory:
        memory[:1] = b"1"

    assert list(tmp_path.iterdir())


#: No byte may be written to any file, as on a full disk.
FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from django_sqs.management.pid_file import pid_file
from django.core.management.base import CommandError
try:
    with pid_file(sys.argv[1]):
        print("runs")
except CommandError as exc:
    print(exc)
"""


def test_a_pid_file_that_cannot_be_written_is_one_clear_line_and_is_not_left(tmp_path):
    file = tmp_path / "worker.pid"
    command = [sys.executable, "-B", "-c", FULL, str(file)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stdout.startswith(f"Cannot write --pid-file {file}: "), done.stderr
    assert not file.exists()
