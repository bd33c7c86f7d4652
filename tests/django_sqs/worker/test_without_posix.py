"""Windows, as far as it can be simulated: what it has not is taken away."""

import re
import sys

import pytest

import django_sqs
from tests.processes import Process

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("site")]


@pytest.fixture
def run(project):
    """Runs a command where much is missing; returns its exit code and what it wrote."""
    started = []

    def run(*arguments):
        command = [sys.executable, "-m", "tests.without_posix", *arguments]
        process = Process(command, {**project.env, "DJANGO_SETTINGS_MODULE": "tests.site.settings"})
        started.append(process)
        return process.wait(60), process.output

    yield run
    for process in started:
        process.end()


def test_without_django_it_sends_receives_and_limits_the_time(run):
    code, said = run("kombu")

    assert code == 0, said
    for text in ("received one", "received two", "it was timed out", "received slow"):
        assert said.count(text) == 1, said
    # Once, at the start.
    assert (
        said.count("Requests to SQS are sent by botocore, because this is not a POSIX system") == 1
    )
    assert "Traceback" not in said


def test_one_process_receives_from_several_queues_in_threads(run, project, counts):
    for queue in ("plain", "second"):
        django_sqs.send(queue, body="a")

    code, said = run(
        *("runreceiver", "plain", "second"),
        *("--processes=1", "--threads=2", "--message-limit=1", "--http=127.0.0.1:0"),
    )

    assert code == 0, said
    assert project.bodies("plain") == project.bodies("second") == ["a"]
    assert counts(django_sqs.queues["plain"].full_name()) == (0, 0, 0)
    assert "Traceback" not in said


def test_what_a_queue_alone_needs_no_option_for(run, project):
    django_sqs.send("plain", body="a")

    code, said = run("runreceiver", "plain", "--message-limit=1")

    assert code == 0, said
    assert project.bodies("plain") == ["a"]


def test_runreceiver_says_what_needs_posix_and_other_commands_work(run):
    django_sqs.send("plain", body="peeked at")
    refused = {
        "runreceiver plain second": "Several processes, or recycled ones, need a POSIX",
        "runreceiver plain --processes=2": "Run a single process: --processes=1, with --threads",
        "runreceiver plain --recycle-after=5": "or recycled ones, need a POSIX system",
        "runreceiver plain --pid-file=x": "--pid-file needs a POSIX system",
        "runreceiver plain --reload": "--reload needs a POSIX system",
        "sqs_health": "not a POSIX system",
    }
    others = ["check", "sqs_status plain", "sqs_peek plain"]

    _, said = run(*" , ".join([*refused, *others]).split())

    ends = iter(re.split(r"exits with (\d+)\n", " ".join(said.split(" "))))
    for command, says in refused.items():
        text = " ".join(next(ends).split())
        assert says in text, text
        assert command in text
        assert next(ends) != "0"
    rest = next(ends)
    assert not list(ends), rest
    assert "no issues" in rest
    assert "peeked at" in rest
    assert "Traceback" not in said
