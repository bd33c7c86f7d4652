"""``manage.py sqs_... | head -1``: a command ends without a word once nobody reads it."""

import errno
import io
import os
import signal
import subprocess
import sys

import pytest
from django.core.management import call_command

import django_sqs
from django_sqs.management.closed_pipe import end_with_its_pipe

from ...project import MANAGE

#: As a shell says of a program that SIGPIPE has ended.
ENDED = 141


@pytest.fixture
def unread(project):
    """Run a command whose output nobody reads; return its exit code and its errors."""

    def unread(*arguments, reads=0, merged=False, unbuffered=False, **env):
        reader, writer = os.pipe()
        process = subprocess.Popen(
            [sys.executable, str(MANAGE), *arguments],
            env={**project.env, **env, "PYTHONUNBUFFERED": "1" if unbuffered else ""},
            stdout=writer,
            stderr=writer if merged else subprocess.PIPE,
            text=True,
        )
        os.close(writer)
        if reads:
            os.read(reader, reads)
        os.close(reader)
        _, errors = process.communicate(timeout=60)
        # The project logs there.
        told = [
            line for line in (errors or "").splitlines() if not line.startswith(("DEBUG", "INFO"))
        ]
        return process.returncode, "\n".join(told)

    return unread


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        ("sqs_status",),
        ("sqs_status", "--format=json"),
        ("sqs_status", "--watch=0.1"),
        ("sqs_status", "--policy"),
        ("sqs_peek", "plain"),
        ("sqs_policy",),
        ("sqs_local", "--port=0", "--state="),
        ("runreceiver", "plain"),
    ],
    ids=" ".join,
)
def test_it_ends_without_a_word(unread, arguments, unbuffered):
    django_sqs.send("plain", body="x")

    assert unread(*arguments, unbuffered=unbuffered) == (ENDED, "")


@pytest.mark.parametrize("unbuffered", [False, True])
def test_its_help_ends_without_a_word(unread, unbuffered):
    code, errors = unread("sqs_health", "--help", unbuffered=unbuffered)

    # argparse of newer Pythons takes no notice of the error.
    assert code in (0, ENDED)
    assert errors == ""


def test_it_ends_within_its_output(unread):
    django_sqs.send_many("plain", ["x" * 1_000] * 100)

    assert unread("sqs_peek", "plain", "--count=100", reads=1) == (ENDED, "")


def test_it_ends_without_a_word_where_its_errors_go_there_too(unread):
    assert unread("sqs_peek", "nowhere", merged=True)[0] in (1, ENDED)


def test_an_error_of_its_own_is_told(unread):
    code, errors = unread("sqs_peek", "nowhere")

    assert code == 1
    assert "nowhere" in errors


def test_a_broken_pipe_elsewhere_is_no_end_of_its_own(project):
    broken = "raise BrokenPipeError(32, 'elsewhere')"
    code = (
        "from django_sqs.management.commands import sqs_peek as m\n"
        f"def handle(*a, **k): {broken}\n"
        "m.Command.handle = handle\n"
        "m.Command().run_from_argv(['manage.py', 'sqs_peek', 'plain'])\n"
    )
    done = project.run("shell", "-c", code)

    assert "BrokenPipeError" in done.output


def test_a_program_that_calls_a_command_hears_of_its_broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError) as raised, os.fdopen(writer, "w", buffering=1) as stdout:
        call_command("sqs_status", stdout=stdout)

    assert raised.value.errno == errno.EPIPE


@pytest.mark.parametrize("stdout", [None, io.TextIOWrapper(io.BytesIO())], ids=["none", "closed"])
def test_a_process_without_an_output_has_none_to_write(stdout, monkeypatch):
    """As one that was started with ``>&-``, or has closed its own."""
    if stdout is not None:
        stdout.close()
    ran = []
    monkeypatch.setattr(sys, "stdout", stdout)

    end_with_its_pipe(lambda: ran.append(1))

    assert ran == [1]


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_worker_whose_log_nobody_reads_any_more_stops_as_ever(
    project, processes, unbuffered, eventually
):
    """As with ``runreceiver 2>&1 | head -1``: it ended with 120, which no supervisor knows."""
    reader, writer = os.pipe()
    worker = subprocess.Popen(
        [sys.executable, str(MANAGE), "runreceiver", f"--processes={processes}", "plain"],
        env={**project.env, "PYTHONUNBUFFERED": "1" if unbuffered else ""},
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    try:
        with open(reader) as output:
            while "Receiving from" not in output.readline():
                pass
        for body in "12":
            django_sqs.send("plain", body=body)
        eventually(lambda: len(project.runs("plain")) == 2)
        worker.send_signal(signal.SIGTERM)

        assert worker.wait(60) == 0
    finally:
        worker.kill()
        worker.wait()
