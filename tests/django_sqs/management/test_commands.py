"""sqs_status, sqs_clear and sqs_wait."""

import io
import json
import os
import pty
import sys
import time
from functools import partial

import pytest
from django.core.management import CommandError, call_command

import django_sqs

from ..commands import full_name, run


def send(queue, count, **kwargs):
    for number in range(count):
        django_sqs.send(queue, body=str(number), **kwargs)


def receive(sqs, queue):
    url = sqs.get_queue_url(QueueName=full_name(queue))["QueueUrl"]
    return sqs.receive_message(QueueUrl=url)["Messages"]


def test_status_shows_queues_suffixes_and_counts(sqs):
    send("plain", 3)
    send("plain", 1, delay=60)
    send("plain", 2, suffix="big")
    receive(sqs, "plain")

    output = run("sqs_status", "plain")

    assert "Active SQS queues" in output
    rows = [line.split() for line in output.splitlines() if line.startswith("plain")]
    assert rows[0] == ["plain", "2", "1", "1", "none"]
    assert rows[1] == ["plain__big", "2", "0", "0", "none"]
    assert rows[2][:4] == ["plain__small", "-", "-", "-"]
    assert "does not exist yet" in output


def test_status_as_json(prefix):
    send("plain", 3)

    rows = json.loads(run("sqs_status", "--format=json"))

    assert {row["queue"] for row in rows} == set(django_sqs.queues)
    assert next(row for row in rows if row["queue"] == "plain") == {
        "queue": "plain",
        "suffix": None,
        "name": f"{prefix}__plain",
        "exists": True,
        "visible": 3,
        "in_flight": 0,
        "delayed": 0,
        "dead_letters": None,
        "paused": None,
        "error": None,
    }


def test_status_creates_no_queue(server):
    run("sqs_status", "second")

    assert server.count("CreateQueue", full_name("second")) == 0


@pytest.mark.parametrize("command", ["sqs_status", "sqs_clear", "sqs_wait"])
def test_errors_are_one_clear_line(server, command):
    send("plain", 1)
    with pytest.raises(CommandError, match="No queue 'nowhere' is registered"):
        run(command, "nowhere")
    server.faults["GetQueueAttributes", full_name("plain")] = (403, "AccessDenied")

    with pytest.raises(CommandError, match="allow sqs:GetQueueAttributes on queue"):
        run(command, "plain")

    del server.faults["GetQueueAttributes", full_name("plain")]


def test_clear_deletes_and_counts_with_suffixes(counts):
    send("plain", 12)
    send("plain", 2, suffix="big")
    send("second", 1)

    output = run("sqs_clear", "plain", "--no-input")

    assert "Queue plain: 12 deleted." in output
    assert "Queue plain__big: 2 deleted." in output
    assert counts(full_name("plain")) == (0, 0, 0)
    assert counts(full_name("second")) == (1, 0, 0)


def test_clear_tells_about_what_it_did_not_reach(sqs):
    send("plain", 2)
    send("plain", 1, delay=60)
    receive(sqs, "plain")

    output = run("sqs_clear", "plain", "--no-input")

    assert "1 deleted" in output
    assert "1 in flight were not deleted" in output
    assert "1 delayed were not deleted" in output


def test_clear_one_suffix(counts):
    send("plain", 1)
    send("plain", 1, suffix="big")

    run("sqs_clear", "plain", "--suffix=big", "--no-input")

    assert counts(full_name("plain")) == (1, 0, 0)


def test_purge(server, counts, sqs):
    send("plain", 3)
    receive(sqs, "plain")

    output = run("sqs_clear", "plain", "--purge", "--no-input")

    assert "purged of about 3" in output
    assert server.count("PurgeQueue", full_name("plain")) == 1
    assert counts(full_name("plain")) == (0, 0, 0)


@pytest.mark.parametrize(("answer", "left"), [("yes", 0), ("no", 1), ("", 1)])
def test_clear_asks_first(monkeypatch, counts, answer, left):
    send("plain", 1)
    asked, out = io.StringIO(), io.StringIO()
    monkeypatch.setattr("builtins.input", lambda: answer)
    clear = partial(call_command, "sqs_clear", "plain", format="json", stdout=out, stderr=asked)

    if left:
        with pytest.raises(CommandError, match="Nothing was deleted"):
            clear()
    else:
        clear()
        assert json.loads(out.getvalue())[0]["deleted"] == 1

    assert full_name("plain") in asked.getvalue()
    assert counts(full_name("plain")) == (left, 0, 0)


def test_clear_without_anyone_to_ask(project, counts):
    send("plain", 1)

    process = project.run("sqs_clear", "plain")

    assert process.wait() == 1
    assert "--no-input" in process.output
    assert counts(full_name("plain")) == (1, 0, 0)


def test_clear_of_queues_that_do_not_exist():
    assert "nothing to clear" in run("sqs_clear", "second", "--no-input")


@pytest.mark.parametrize("rich", [True, False])
def test_clear_shows_a_progress_bar_on_a_terminal(monkeypatch, rich):
    if not rich:
        # As where it is not installed.
        monkeypatch.setitem(sys.modules, "rich.progress", None)
    send("plain", 12)
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as terminal:
        call_command("sqs_clear", "plain", "--no-input", stdout=terminal)
        terminal.flush()
        shown = os.read(parent, 10_000).decode()
    os.close(parent)

    if rich:
        assert "12/12" in shown
        assert "━━━━" in shown
    else:
        assert "plain [#########################     ] 10/12" in shown
        assert "plain [##############################] 12/12" in shown


def test_wait_ends_at_once_with_no_cycles():
    started = time.monotonic()

    run("sqs_wait", "plain", "--wait-time=30", "--wait-cycles=0")

    assert time.monotonic() - started < 5


@pytest.mark.parametrize("kind", ["visible", "in flight", "delayed"])
def test_wait_counts_every_kind_of_message(sqs, kind):
    send("plain", 1, delay=60 if kind == "delayed" else None)
    if kind == "in flight":
        receive(sqs, "plain")

    with pytest.raises(CommandError, match=f"1 {kind}") as caught:
        run("sqs_wait", "plain", "--wait-time=0.1", "--timeout=0.3")

    assert caught.value.returncode == 3


def test_wait_ends_when_the_queues_have_stayed_empty(site, sqs):
    send("plain", 1, suffix="big")
    site.SQS_WAIT_TIME = 0.3
    site.SQS_WAIT_CYCLES = 2
    url = sqs.get_queue_url(QueueName=django_sqs.queues["plain"].full_name("big"))["QueueUrl"]
    emptied = []

    class PurgeOnceSeen(io.StringIO):
        def write(self, text):
            if "plain__big has 1 visible" in text:
                sqs.purge_queue(QueueUrl=url)
                emptied.append(time.monotonic())
            return super().write(text)

    out = PurgeOnceSeen()
    call_command("sqs_wait", "plain", "--timeout=20", "--verbosity=2", stdout=out)

    assert len(emptied) == 1
    assert time.monotonic() - emptied[0] >= 0.6
    assert "Empty for 2 of 2 wait times." in out.getvalue()


def test_wait_exit_code(project):
    send("plain", 1)

    process = project.run("sqs_wait", "plain", "-t", "0.1", "--timeout", "0.2")

    assert process.wait() == 3
    assert "Timed out" in process.output


@pytest.mark.parametrize("option", ["--wait-time=-1", "--wait-cycles=-1", "--timeout=-1"])
def test_wait_refuses_negative_numbers(option):
    with pytest.raises(CommandError, match="from 0 to"):
        run("sqs_wait", "plain", option)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("sqs_prune_inbox",), "--days=nan"),
        (("sqs_prune_inbox",), "--days=1e300"),
        (("sqs_prune_inbox",), "--days=-1"),
        (("sqs_wait",), "--wait-time=nan"),
        (("sqs_wait",), "--timeout=-inf"),
        (("sqs_wait",), "--wait-cycles=-1"),
        (("sqs_status",), "--watch=nan"),
        (("sqs_status",), "--watch=1e300"),
        (("sqs_move", "plain", "copy"), "--limit=-1"),
        (("sqs_redrive", "watched"), "--limit=-1"),
        (("sqs_local",), "--port=99999"),
        (("sqs_bench",), "--size=0"),
        (("sqs_send", "plain", "x"), "--delay=nan"),
        (("sqs_peek", "plain"), "--count=0"),
    ],
)
def test_a_number_that_cannot_be_is_told(command, option):
    with pytest.raises(CommandError) as raised:
        call_command(*command, option)

    assert str(raised.value).startswith(option.partition("=")[0]) or "not" in str(raised.value)


@pytest.mark.parametrize("command", [("sqs_send", "plain", "x"), ("sqs_status",)])
def test_a_missing_setting_is_one_clear_line(settings, command):
    settings.DEBUG, settings.SQS_QUEUE_PREFIX = True, ""

    with pytest.raises(CommandError, match="SQS_QUEUE_PREFIX is required when DEBUG is true"):
        run(*command)
