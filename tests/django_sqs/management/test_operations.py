"""sqs_peek, sqs_send, sqs_move, sqs_redrive, and sqs_status --watch."""

import io
import json
import os
import pty
import signal
import sys
import time

import pytest
from django.core.management import CommandError, call_command

import django_sqs

from ...processes import Process
from ...project import MANAGE
from ..commands import as_json, full_name, run

#: What the commands do hardly depends on versions.
pytestmark = pytest.mark.slow


def on_a_terminal(command, *arguments):
    """What a command shows on a terminal."""
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as terminal:
        call_command(command, *arguments, stdout=terminal)
        terminal.flush()
        shown = os.read(parent, 20_000).decode()
    os.close(parent)
    return shown


@pytest.fixture
def s3_bucket(s3, prefix):
    """A bucket of its own."""
    return prefix


@pytest.fixture
def dead_letters(sqs, prefix):
    """Put messages into the dead-letter queue of the queue "watched"."""
    # Those of suffixes share them, so SQS could not move them.
    django_sqs.register("watched", dead_letter_queue="watched-dead")
    django_sqs.send("watched", body="alive")
    url = sqs.get_queue_url(QueueName=f"{prefix}__watched-dead")["QueueUrl"]

    def put(count):
        for number in range(count):
            sqs.send_message(
                QueueUrl=url,
                MessageBody=f"dead {number}",
                MessageAttributes={"mine": {"DataType": "String", "StringValue": "kept"}},
            )

    return put


def test_peek_shows_messages_and_leaves_them(counts, site):
    django_sqs.send("typed", body={"a": "\x1b[31mred"}, attributes={"mine": "x"})
    django_sqs.send("typed", body={"a": 2})

    output = run("sqs_peek", "typed")
    found = as_json("sqs_peek", "typed", "--count=1")

    assert "\x1b" not in output
    assert "{'a': 2}" in output
    assert counts(full_name("typed")) == (2, 0, 0)
    assert found[0]["attributes"] == {"mine": "x"}
    assert found[0]["receive_count"] == 2
    assert abs(found[0]["sent_at"] - time.time()) < 60
    assert json.loads(found[0]["body"])["content-type"] == "application/json"


def test_peek_at_what_cannot_be_decoded(sqs):
    url = sqs.create_queue(QueueName=full_name("typed"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="no base64 of JSON")

    assert "'no base64 of JSON'" in run("sqs_peek", "typed")


def test_peek_at_more_than_one_request_brings(counts):
    django_sqs.send_many("plain", map(str, range(25)))

    found = as_json("sqs_peek", "plain", "--count=23")

    assert len({message["id"] for message in found}) == 23
    assert counts(full_name("plain")) == (25, 0, 0)


def test_peek_at_nothing(server):
    django_sqs.send("plain", body="x", delay=60)

    assert "has no visible message" in run("sqs_peek", "plain")
    assert as_json("sqs_peek", "plain") == []
    with pytest.raises(CommandError, match="1 to 200"):
        run("sqs_peek", "plain", "--count=201")
    with pytest.raises(CommandError, match="No queue 'nowhere' is registered"):
        run("sqs_peek", "nowhere")
    with pytest.raises(CommandError, match="does not exist in SQS"):
        run("sqs_peek", "second")
    with pytest.raises(CommandError, match="has no dead-letter queue"):
        run("sqs_peek", "plain", "--dead-letters")
    assert server.count("CreateQueue", full_name("second")) == 0


def test_peek_at_dead_letters(dead_letters):
    dead_letters(2)

    output = run("sqs_peek", "watched", "--dead-letters")

    assert "dead 0" in output
    assert "alive" not in output


def test_peek_says_why_a_receiver_made_a_dead_letter(db, site):
    def refuse(message):
        raise ValueError("not\x1b[31m ours")

    queue = django_sqs.register(
        "refused", refuse, dead_letter=(ValueError,), dead_letter_queue="refused-dead"
    )
    django_sqs.send("refused", body="x")
    queue.receive_loop(message_limit=1)

    [found] = as_json("sqs_peek", "refused", "--dead-letters")
    output = run("sqs_peek", "refused", "--dead-letters")

    assert found["reason"] == r"ValueError: not\x1b[31m ours"
    assert "failed with\n" in output
    assert found["reason"] in output


def bodies(queue, suffix=None):
    found = as_json("sqs_peek", queue, "--count=50", *([f"--suffix={suffix}"] if suffix else []))
    return sorted(json.loads(message["body"])["body"] for message in found)


def test_a_dead_letter_queue_is_known_by_its_own_name(dead_letters):
    dead_letters(2)

    assert "dead 1" in run("sqs_peek", "watched-dead")
    assert as_json("sqs_status", "watched")[0]["dead_letters"] == 2
    assert as_json("sqs_status", "plain")[0]["dead_letters"] is None
    assert as_json("sqs_redrive", "watched-dead")["target"] == full_name("watched")


def test_a_look_downloads_no_payload(site, server, s3_bucket):
    site.SQS_LARGE_PAYLOAD_BUCKET = s3_bucket
    site.SQS_S3_ENDPOINT_URL = server.url
    django_sqs.send("copy", body="the beginning" + "x" * 2**20)

    [pointed] = as_json("sqs_peek", "copy")
    [begun] = as_json("sqs_peek", "copy", "--payloads")

    assert pointed["shown"] == pointed["payload"] == begun["payload"]
    assert pointed["payload"].startswith(f"s3://{s3_bucket}/django-sqs/")
    assert len(begun["shown"]) < 2_000
    assert begun["shown"] != pointed["shown"]


def test_one_queue_that_is_denied_hides_no_other(server):
    django_sqs.send("plain", body="x")
    django_sqs.send("copy", body="x")
    out = io.StringIO()
    with (
        server.refusing("GetQueueAttributes", full_name("copy")),
        pytest.raises(CommandError, match="Access denied"),
    ):
        call_command("sqs_status", "plain", "copy", stdout=out)

    shown = [line.split() for line in out.getvalue().splitlines()]
    assert ["plain", "1", "0", "0", "none"] in shown
    assert ["copy", "?", "?", "?", "?"] in shown


def test_send_a_text(counts):
    output = run("sqs_send", "plain", "hello", "--suffix=big", "--attribute=mine=x=y")

    assert output == f"Sent 1 to {full_name('plain', 'big')}.\n"
    [found] = as_json("sqs_peek", "plain", "--suffix=big")
    assert found["attributes"] == {"mine": "x=y"}
    assert bodies("plain", "big") == ["hello"]


def test_send_json_and_encoded(counts):
    assert as_json("sqs_send", "typed", '{"a": 1}', "--json")["sent"] == 1
    run("sqs_send", "typed", "eyJhIjogMn0=", "--encoded")

    assert [json.loads(body) for body in bodies("typed")] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("text", ["NaN", '{"a": [-Infinity]}', "1e999"])
def test_what_only_python_takes_for_json_is_not_sent(text, counts):
    with pytest.raises(CommandError, match=r"is not JSON: "):
        run("sqs_send", "typed", text, "--json")


def test_json_that_is_sent_as_a_text_is_said(counts, capsys, tmp_path):
    file = tmp_path / "messages"
    file.write_text('tea\n{"a": 1}\n["b"]\n')
    run("sqs_send", "typed", '{"a": 1}', "--json")
    run("sqs_send", "plain", f"--file={file}", "--lines")
    run("sqs_send", "plain", '{"a": 1}')
    run("sqs_send", "typed", "tea")
    assert capsys.readouterr().err == ""

    run("sqs_send", "typed", '{"a": 1}')
    assert "Use --json" in capsys.readouterr().err
    run("sqs_send", "typed", f"--file={file}", "--lines")
    assert capsys.readouterr().err.count("Use --json") == 1
    file.write_text(' {"a": 1}')
    run("sqs_send", "typed", f"--file={file}")
    assert "Use --json" in capsys.readouterr().err


def test_send_a_file_and_its_lines(tmp_path):
    file = tmp_path / "messages"
    file.write_text("one\n\ntwo\nthree\n")
    run("sqs_send", "plain", f"--file={file}")
    run("sqs_send", "plain", f"--file={file}", "--lines")

    assert bodies("plain") == ["one", "one\n\ntwo\nthree\n", "three", "two"]


def test_send_standard_input(project, eventually):
    command = f"{sys.executable} {MANAGE} sqs_send plain"
    shell = f"printf 'a\\nb\\n' | {command} --lines && printf 'c\\n' | {command} -"
    process = Process(["sh", "-c", shell], project.env)
    project.add(process)

    assert process.wait(60) == 0, process.output
    assert bodies("plain") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["plain", "x", "--file=y"], "not both"),
        (["plain", "--file=/nowhere/at/all"], "No such file"),
        (["typed", "{broken", "--json"], "'{broken' is not JSON: Expecting property name"),
        (["typed", "five!", "--encoded"], "base64"),
        (["plain", "x", "--attribute=mine"], "must be NAME=VALUE"),
        (["plain", "x", "--lines", "--deduplication-id=5"], "cannot be combined"),
        (["rows", "text"], "carries a model instance"),
    ],
)
def test_what_cannot_be_sent_is_one_clear_line(arguments, reason, server):
    with pytest.raises(CommandError, match=reason):
        run("sqs_send", *arguments)

    assert server.count("SendMessage", full_name(arguments[0])) == 0


def test_move_keeps_bodies_attributes_and_counts(counts, server):
    django_sqs.send_many("plain", map(str, range(11)))
    django_sqs.send("plain", body="11", attributes={"mine": "x"})
    django_sqs.send("copy", body="there")

    assert as_json("sqs_move", "plain", "copy", "--limit=5")["moved"] == 5
    assert "Moved 7 messages from plain to copy." in run("sqs_move", "plain", "copy")

    assert counts(full_name("plain")) == (0, 0, 0)
    assert bodies("copy") == sorted([*map(str, range(12)), "there"])
    assert {"mine": "x"} in [m["attributes"] for m in as_json("sqs_peek", "copy", "-n", "50")]


def test_move_creates_the_target_and_keeps_groups_in_order(counts, sqs):
    for number in range(12):
        django_sqs.send("ordered.fifo", body=str(number), group_id="ab"[number % 2])

    run("sqs_move", "ordered.fifo", "ordered.fifo", "--to-suffix=copy")

    url = sqs.get_queue_url(QueueName=full_name("ordered.fifo", "copy"))["QueueUrl"]
    moved = []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]
    ).get("Messages"):
        moved += messages
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    by_group = {"a": [], "b": []}
    for message in moved:
        group = message["Attributes"]["MessageGroupId"]
        by_group[group].append(int(json.loads(message["Body"])["body"]))
    assert by_group == {"a": [0, 2, 4, 6, 8, 10], "b": [1, 3, 5, 7, 9, 11]}


def test_move_that_is_refused_loses_nothing(counts, server):
    django_sqs.send_many("plain", map(str, range(3)))
    django_sqs.send("copy", body="x")
    refusing = server.refusing("SendMessageBatch", full_name("copy"))
    with refusing, pytest.raises(CommandError, match="Access denied"):
        run("sqs_move", "plain", "copy")

    assert counts(full_name("plain")) == (3, 0, 0)


def test_move_what_cannot_be_moved():
    django_sqs.send("plain", body="x")

    with pytest.raises(CommandError, match="to the same queue"):
        run("sqs_move", "plain", "plain")
    with pytest.raises(CommandError, match="does not exist"):
        run("sqs_move", "second", "plain")


def test_redrive_by_hand_where_the_server_cannot(dead_letters, counts, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    django_sqs.receivers.close()
    dead_letters(3)

    output = run("sqs_redrive", "watched")

    assert "cannot move the dead letters of one queue itself: moving them one by one" in output
    assert "Moved 3 messages" in output
    assert counts(full_name("watched")) == (4, 0, 0)
    assert as_json("sqs_redrive", "watched", "--by-hand")["moved"] == 0


def test_redrive_by_sqs_where_it_can(dead_letters, counts, server, prefix):
    dead_letters(1)
    key = "StartMessageMoveTask", f"{prefix}__watched-dead"
    asked = []
    server.answers[key] = lambda request: asked.append(request) or {"TaskHandle": "a-handle"}
    try:
        found = as_json("sqs_redrive", "watched")
    finally:
        del server.answers[key]
    with (
        server.refusing(*key),
        pytest.raises(CommandError, match="allow sqs:StartMessageMoveTask"),
    ):
        run("sqs_redrive", "watched")

    assert (found["task"], found["moved"]) == ("a-handle", None)
    assert counts(f"{prefix}__watched-dead") == (1, 0, 0)
    # Without a destination SQS would stop at a letter that a policy has sent.
    [request] = asked
    assert request["DestinationArn"].endswith(f":{full_name('watched')}")


def test_redrive_of_shared_dead_letters_is_by_hand(dead_letters, counts, server, sqs, prefix):
    dead_letters(1)
    url = sqs.get_queue_url(QueueName=f"{prefix}__watched-dead")["QueueUrl"]
    told = json.dumps({"error": "E", "queue": f"{prefix}__other"})
    failure = {"DataType": "String", "StringValue": told}
    sqs.send_message(
        QueueUrl=url, MessageBody="x", MessageAttributes={"django_sqs.failure": failure}
    )
    key = "StartMessageMoveTask", f"{prefix}__watched-dead"
    sources = "ListDeadLetterSourceQueues", f"{prefix}__watched-dead"
    server.answers[key] = {"TaskHandle": "a-handle"}
    server.answers[sources] = {"queueUrls": [f"http://x/1/{prefix}__{n}" for n in ("watched", "b")]}
    try:
        first = as_json("sqs_redrive", "watched")
        del server.answers[sources]
        with server.refusing(*sources):
            second = as_json("sqs_redrive", "watched")
    finally:
        server.answers.clear()

    assert (first["task"], first["moved"]) == (None, 1)
    assert (second["task"], second["moved"]) == (None, 0)
    assert counts(f"{prefix}__watched-dead") == (1, 0, 0)


def test_redrive_of_dead_letters_that_another_registered_queue_has_is_by_hand(
    dead_letters, server, prefix
):
    dead_letters(1)
    key = "StartMessageMoveTask", f"{prefix}__watched-dead"
    server.answers[key] = {"TaskHandle": "a-handle"}
    django_sqs.register("sharing", dead_letter_queue="watched-dead")
    try:
        said = run("sqs_redrive", "watched")
    finally:
        del django_sqs.receivers.queues["sharing"], server.answers[key]

    assert "Other queues share the dead-letter queue: moving them one by one." in said
    assert "Moved 1 message" in said


def test_redrive_of_dead_letters_that_suffixes_share_is_by_hand(dead_letters, server, prefix):
    django_sqs.register("watched", dead_letter_queue="watched-dead", suffixes=["big"])
    dead_letters(1)
    key = "StartMessageMoveTask", f"{prefix}__watched-dead"
    server.answers[key] = {"TaskHandle": "a-handle"}
    try:
        found = as_json("sqs_redrive", "watched")
    finally:
        del server.answers[key]

    assert (found["task"], found["moved"]) == (None, 1)


def put_letters(sqs, queue, *origins):
    """Put dead letters of these queues into a FIFO queue, all in one message group."""
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    for number, origin in enumerate(origins):
        told = json.dumps({"error": "E", "queue": full_name(origin)})
        failure = {"DataType": "String", "StringValue": told}
        sqs.send_message(
            QueueUrl=url,
            MessageBody=str(number),
            MessageGroupId="a",
            MessageDeduplicationId=str(number),
            MessageAttributes={"django_sqs.failure": failure},
        )


def test_redrive_says_which_letters_stand_in_front_of_others(sqs, counts, prefix):
    for name in ("r1.fifo", "r2.fifo"):
        django_sqs.register(name, dead_letter_queue="r-dead.fifo")
        django_sqs.send(name, body="x", group_id="a")
    put_letters(sqs, f"{prefix}__r-dead.fifo", *["r2.fifo"] * 10, *["r1.fifo"] * 2)

    output = run("sqs_redrive", "r1.fifo")

    assert "Moved 0 messages" in output
    assert (
        f"Left in place, since they were not chosen: 10 of {full_name('r2.fifo')}. SQS hands"
        in output
    )
    assert as_json("sqs_redrive", "r1.fifo")["left"] == {full_name("r2.fifo"): 10}
    # What it advises helps.
    run("sqs_redrive", "r2.fifo")
    output = run("sqs_redrive", "r1.fifo")
    assert "Moved 2 messages" in output
    assert "Left" not in output
    assert counts(f"{prefix}__r-dead.fifo") == (0, 0, 0)


def test_redrive_of_those_that_match(dead_letters, counts, prefix):
    dead_letters(12)

    output = run("sqs_redrive", "watched", "--match=dead 1", "--limit=2")

    assert "Moved 2 messages" in output
    assert counts(full_name("watched")) == (3, 0, 0)
    assert counts(f"{prefix}__watched-dead") == (10, 0, 0)
    moved = {each["body"] for each in as_json("sqs_peek", "watched")} - {"alive"}
    assert {"dead 1", "dead 10", "dead 11"} >= {each for each in moved if "dead" in each}


@pytest.mark.django_db
def test_redrive_of_those_that_failed_with_an_exception(dead_letters, counts, sqs, prefix):
    dead_letters(3)
    url = sqs.get_queue_url(QueueName=f"{prefix}__watched-dead")["QueueUrl"]
    for error in ("shop.errors.Timeout", "shop.errors.NoTimeout", "Timeout"):
        failure = {"DataType": "String", "StringValue": json.dumps({"error": error})}
        sqs.send_message(
            QueueUrl=url, MessageBody=error, MessageAttributes={"django_sqs.failure": failure}
        )

    assert as_json("sqs_redrive", "watched", "--exception=shop.errors.Timeout")["moved"] == 1
    assert as_json("sqs_redrive", "watched", "--exception=Timeout")["moved"] == 1
    assert counts(f"{prefix}__watched-dead") == (4, 0, 0)


@pytest.mark.django_db
def test_letters_of_another_queue_that_shares_the_dead_letters_stay(
    dead_letters, counts, sqs, prefix
):
    dead_letters(1)
    url = sqs.get_queue_url(QueueName=f"{prefix}__watched-dead")["QueueUrl"]
    for name in ("watched", "other"):
        told = json.dumps({"error": "E", "queue": f"{prefix}__{name}"})
        failure = {"DataType": "String", "StringValue": told}
        sqs.send_message(
            QueueUrl=url, MessageBody=name, MessageAttributes={"django_sqs.failure": failure}
        )

    assert as_json("sqs_redrive", "watched", "--exception=E")["moved"] == 1
    assert counts(f"{prefix}__watched-dead") == (2, 0, 0)


@pytest.mark.parametrize("option", ["--match=", "--exception="])
def test_redrive_of_what_an_unset_variable_names_is_refused(dead_letters, counts, option, prefix):
    dead_letters(1)

    with pytest.raises(CommandError, match="is empty"):
        run("sqs_redrive", "watched", option)

    assert counts(f"{prefix}__watched-dead") == (1, 0, 0)


def test_clear_and_wait_as_json(counts):
    django_sqs.send_many("plain", map(str, range(3)))

    [cleared] = as_json("sqs_clear", "plain", "--no-input")
    waited = as_json("sqs_wait", "plain", "--wait-cycles=0")

    assert cleared == {
        "name": full_name("plain"),
        "deleted": 3,
        "in_flight": 0,
        "delayed": 0,
    }
    assert waited["empty"] == [full_name("plain", s) for s in (None, "big", "small")]


def test_tables_are_drawn_on_a_terminal_and_nothing_is_markup():
    pytest.importorskip("rich")
    django_sqs.send("plain", body="[red]x[/red]")

    assert "┏━━" in on_a_terminal("sqs_status", "plain")
    assert "[red]x[/red]" in on_a_terminal("sqs_peek", "plain")


def test_watch(project, eventually):
    process = project.start("sqs_status", "plain", "--watch=0.2", "--format=json")
    eventually(lambda: process.output.count('"queue": "plain"') >= 9, timeout=30)

    process.signal(signal.SIGINT)

    assert process.wait(20) == 0
    with pytest.raises(CommandError, match="--watch must be above 0"):
        run("sqs_status", "--watch=0")


ASCII = {"PYTHONIOENCODING": "ascii"}


def test_peek_shows_what_the_terminal_has_no_character_for(project):
    project.run("sqs_send", "plain", "Grüße")
    done = project.run("sqs_peek", "plain", **ASCII)

    assert done.popen.returncode == 0, done.output
    assert r"'Gr\xfc\xdfe'" in done.output


def test_a_receiver_prints_what_the_output_has_no_character_for(project):
    project.run("sqs_send", "talking", "Grüße")
    worker = project.run("runreceiver", "talking", "--processes=1", "--message-limit=1", **ASCII)

    assert r"it says Gr\xfc\xdfe" in worker.output
    assert "Traceback" not in worker.output
