"""manage.py sqs_health: real workers asked by a program on their host."""

import json
import os
import signal
import socket
import tempfile
from pathlib import Path

import pytest
from django.core.management import CommandError

import django_sqs
from django_sqs.worker.health_socket import Health, HealthSocket, healths

from ..commands import run

pytestmark = pytest.mark.usefixtures("site")


@pytest.fixture(autouse=True)
def folder(project, monkeypatch):
    """A folder for temporary files of one's own; a socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="h-") as folder:
        project.env["TMPDIR"] = folder
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.site.settings")
        yield Path(folder)


def health(*options):
    """The exit code and what it says, in this process: another takes long to start."""
    try:
        return 0, run("sqs_health", *options).strip()
    except CommandError as exc:
        return exc.returncode, f"CommandError: {exc}"


def probe(project, *options, **env):
    """The same of a process of its own, as a probe is one."""
    done = project.run("sqs_health", *options, **env)
    lines = [line for line in done.output.splitlines() if "DEBUG" not in line]
    assert len(lines) == 1, done.output
    return done.popen.returncode, lines[0]


def is_ready():
    return health()[0] == 0


def test_a_host_without_a_worker_is_not_healthy(project):
    assert probe(project) == (
        1,
        "CommandError: No runreceiver of this project and user is running on this host",
    )


@pytest.mark.parametrize(
    "layout",
    [(), ("--processes=2", "--recycle-after=5")],
    ids=["alone", "supervised"],
)
def test_a_worker_that_polls_its_queues_is_healthy_until_it_ends(layout, project, eventually):
    worker = project.start("runreceiver", "plain", *layout, TEST_VERSION="1.4")

    eventually(is_ready)

    ready = f"ok: worker {worker.pid} is ready (plain)"
    assert probe(project, "--deep", "--require-version=1.4") == (0, ready)
    wrong = f"CommandError: Worker {worker.pid} runs version 1.4, not 1.5"
    assert health("--require-version=1.5") == (1, wrong)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert health()[0] == 1


def test_what_was_killed_is_not_there_and_what_it_left_is_removed(project, eventually, folder):
    worker = project.start("runreceiver", "plain", "second")
    eventually(is_ready)
    worker.signal(signal.SIGKILL)
    worker.wait()

    assert "No runreceiver" in health()[1]
    assert len(list(folder.rglob("health-*"))) == 1
    other = project.start("runreceiver", "plain")
    eventually(is_ready)

    [left] = folder.rglob("health-*")
    assert left.name.endswith(f"-{other.pid}")


@pytest.mark.slow
def test_a_worker_that_waits_for_migrations_is_alive_and_not_ready(project, eventually):
    project.add_tables()
    undone = project.run("migrate", "django_sqs_inbox", "zero", "-v0")
    assert undone.popen.returncode == 0, undone.output
    worker = project.start("runreceiver", "plain", TEST_MIGRATIONS_PATIENCE="60")
    eventually(lambda: "before receiving" in worker.output)

    code, says = health()
    assert code == 1
    assert f"Worker {worker.pid} is not ready: waiting: not migrated" in says
    assert health("--alive") == (0, f"ok: worker {worker.pid} is alive (plain)")


@pytest.mark.slow
def test_a_worker_that_is_stopped_does_not_answer(project, eventually):
    worker = project.start("runreceiver", "plain")
    eventually(is_ready)
    worker.signal(signal.SIGSTOP)
    # Its threads go on for a moment.
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
    try:
        for option in ((), ("--alive",)):
            says = health(*option)
            assert says == (1, f"CommandError: Worker {worker.pid} does not answer")
    finally:
        worker.signal(signal.SIGCONT)


def test_deep_looks_at_sqs_and_the_databases(project, eventually, tmp_path, sqs):
    django_sqs.send("plain", body="there is the queue")
    # Its worker would make it again.
    project.start("runreceiver", "plain", TEST_CREATE_QUEUES="no")
    eventually(is_ready)
    missing = str(tmp_path / "missing" / "db")

    assert probe(project, TEST_DATABASE=missing)[0] == 0
    if "DB_ADDRESS" not in os.environ:
        code, says = probe(project, "--deep", TEST_DATABASE=missing)
        assert code == 1
        assert "Database 'default': " in says
    code, says = probe(project, "--deep", TEST_SQS_ENDPOINT_URL="http://127.0.0.1:1")
    assert code == 1
    assert "CommandError: SQS, queue " in says
    name = django_sqs.queues["plain"].full_name()
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])
    assert probe(project, "--deep") == (1, f"CommandError: SQS has no queue {name}")


def test_a_pid_file_says_which_worker_is_meant(project, eventually, tmp_path):
    file = tmp_path / "pid"
    first = project.start("runreceiver", "plain", f"--pid-file={file}")
    second = project.start("runreceiver", "second")
    both = ", ".join(map(str, sorted([first.pid, second.pid], key=str)))
    expected = f"ok: worker {both} is ready (plain, second)"
    eventually(lambda: health()[1] == expected)

    assert health(f"--pid-file={file}")[1] == f"ok: worker {first.pid} is ready (plain)"
    file.write_text("1\n")
    assert health(f"--pid-file={file}")[0] == 1
    file.write_text("x\n")
    assert "holds no process id" in health(f"--pid-file={file}")[1]
    file.unlink()
    assert "cannot be found" in health(f"--pid-file={file}")[1]


def test_it_answers_many_and_a_client_that_goes_away_harms_nobody():
    told = Health(os.getpid(), "1", ["a"], None, ["stopping"])
    listening = HealthSocket(lambda: told)
    listening.start()
    try:
        [path] = Path(tempfile.gettempdir()).rglob("health-*")
        assert path.stat().st_uid == os.geteuid()
        assert path.parent.stat().st_mode & 0o077 == 0
        for _ in range(50):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

        assert [each for _, each in healths()] == [told]
        assert json.dumps(told.reasons) == '["stopping"]'
    finally:
        listening.stop()
    assert not list(healths())


def test_a_worker_without_a_folder_of_its_own_says_that_it_cannot_be_asked(
    folder, monkeypatch, caplog
):
    (folder / f"django-sqs-{os.getuid()}").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / f"django-sqs-{os.getuid()}"))

    listening = HealthSocket(lambda: 1 / 0)
    listening.start()
    listening.leave()
    listening.stop()

    assert "sqs_health cannot reach this worker" in caplog.text
