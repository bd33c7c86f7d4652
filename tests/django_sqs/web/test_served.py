"""Sites that receive, served by real servers: uvicorn, gunicorn and runserver."""

import importlib.util
import os
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import django_sqs

from ...processes import ROOT, Process

ADDRESS = re.compile(r"http://(127\.0\.0\.1:\d+)")


class Served:
    """A server of the test project."""

    def __init__(self, process, eventually, address=None):
        self.process = process
        found = eventually(lambda: ADDRESS.search(process.output))
        self.address = address or found[1]

    def get(self, path="/"):
        """The status of an answer of the site."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as exc:
            return exc.code

    @property
    def output(self):
        return self.process.output


@pytest.fixture
def serve(project, eventually):
    """Start a server, by its kind."""

    def serve(kind, *options, **env):
        address = None
        if kind == "runserver":
            with socket.create_server(("127.0.0.1", 0)) as taken:
                address = f"127.0.0.1:{taken.getsockname()[1]}"
            process = project.start("runserver", address, *options, TEST_RUNSERVER="yes", **env)
            return Served(process, eventually, address)
        if importlib.util.find_spec(kind) is None:
            pytest.skip(f"{kind} is not installed")
        command = {
            "uvicorn": ("tests.site.asgi:application", "--port", "0"),
            "gunicorn": (
                "tests.site.wsgi",
                "-b",
                "127.0.0.1:0",
                "-c",
                "tests/site/gunicorn_conf.py",
            ),
        }[kind]
        env = {**project.env, "PYTHONPATH": str(ROOT), **env}
        process = Process([sys.executable, "-m", kind, *command, *options], env)
        project.add(process)
        return Served(process, eventually)

    return serve


def opened(pid, file):
    """The open files of a process that are *file*."""
    found = Path(f"/proc/{pid}/fd").iterdir()
    return [each for each in found if each.exists() and each.samefile(file)]


@pytest.mark.parametrize(
    ("kind", "options", "number"),
    [
        ("uvicorn", (), signal.SIGTERM),
        ("gunicorn", ("--preload", "--worker-class=gthread", "--threads=2"), signal.SIGTERM),
        # As Ctrl-C.
        ("runserver", ("--noreload",), signal.SIGINT),
    ],
    ids=["uvicorn", "gunicorn", "runserver"],
)
def test_a_site_answers_and_receives_and_stops_in_time(
    serve, project, eventually, counts, tmp_path, kind, options, number
):
    django_sqs.send("plain", body="a")
    django_sqs.send("failing", body="b")
    server = serve(kind, *options, TEST_GRACE_PERIOD="2")

    assert server.get() == 404
    eventually(lambda: project.bodies("plain") == ["a"] and project.bodies("failing") == ["b"])
    if kind == "uvicorn" and "DB" not in project.env:
        # Receivers that are idle keep none of the site's database connections.
        eventually(lambda: not opened(server.process.pid, project.database))
    django_sqs.send("slow", body="60")
    django_sqs.send("slow", body=str(tmp_path / "go"))
    eventually(lambda: len(project.bodies("slow")) == 2)
    assert server.get() == 404
    server.process.signal(number)
    (tmp_path / "go").touch()
    server.process.wait(25)

    finished = {run["body"]: run["finished"] for run in project.runs("slow")}
    assert finished == {"60": 0, str(tmp_path / "go"): 1}
    assert counts(project.prefix + "__slow") == (1, 0, 0)
    assert counts(project.prefix + "__plain") == (0, 0, 0)
    assert "is still running" in server.output
    # That of the receiver that fails.
    assert server.output.count("Traceback (") == 1


def test_runserver_gives_back_what_runs_and_receives_again_after_a_change(
    serve, project, eventually, tmp_path
):
    (tmp_path / "changing.py").write_text("from django_sqs_kombu import Receivers\n")
    server = serve(
        "runserver",
        PYTHONPATH=f"{tmp_path}:{ROOT}",
        TEST_EXTRA_APP="changing",
        TEST_GRACE_PERIOD="3",
    )
    server.get()
    django_sqs.send("slow", body=str(tmp_path / "go"))
    eventually(lambda: project.bodies("slow"))
    (tmp_path / "changing.py").write_text("from django_sqs_kombu import RawMessage  # changed\n")

    def starts_again():
        # Later than the first look at the files, which may be still to come.
        os.utime(tmp_path / "changing.py")
        return "changing.py changed, reloading" in server.output

    eventually(starts_again)
    eventually(lambda: server.output.count("Quit the server with") >= 2)
    (tmp_path / "go").touch()
    server.get()

    eventually(lambda: [run["finished"] for run in project.runs("slow")] == [0, 1])
    before, after = (run["pid"] for run in project.runs("slow"))
    assert before != after
