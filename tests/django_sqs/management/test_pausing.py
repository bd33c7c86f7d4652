"""sqs_pause and sqs_resume, and the workers that follow them."""

import time

import pytest
from django.core.management import CommandError, call_command

import django_sqs
from django_sqs.management.pausing import length
from django_sqs_kombu.transport.sqs.pauses import pause_by_breaker

from ..commands import as_json, full_name, run

pytestmark = pytest.mark.slow


@pytest.fixture
def plain():
    """The queue "plain", which exists, and its suffix "big", which does not."""
    django_sqs.send("plain", body="x")


def test_a_queue_is_paused_and_resumed(plain):
    said = run("sqs_pause", "plain", "--for=1h30m", "--reason=stock-taking")

    assert "Queue plain is paused: since 20" in said
    assert "stock-taking" in said
    [found] = [each for each in as_json("sqs_status", "plain") if each["suffix"] is None]
    assert found["paused"]["reason"] == "stock-taking"
    assert found["paused"]["until"] > found["paused"]["since"]
    assert "Queue plain is paused: since" in run("sqs_status", "plain")
    resumed = {"queue": "plain", "name": full_name("plain"), "paused": None}
    assert as_json("sqs_resume", "plain") == [resumed]
    assert "paused" not in run("sqs_status", "plain")


def test_suffixes_go_with_it_unless_one_is_meant(plain):
    django_sqs.send("plain", body="x", suffix="big")

    assert [each["queue"] for each in as_json("sqs_pause", "plain")] == ["plain", "plain__big"]
    assert [each["queue"] for each in as_json("sqs_resume", "plain", "--suffix=big")] == [
        "plain__big"
    ]
    assert django_sqs.queues["plain"].paused() is not None
    assert django_sqs.queues["plain"].paused(suffix="big") is None


def test_what_a_breaker_pauses_is_not_resumed(plain):
    requests = django_sqs.receivers.channel().requests
    pause_by_breaker(
        requests, full_name("plain"), 600, "breaker: of its last 20 messages 12 failed"
    )
    run("sqs_pause", "plain", "--for=1s")

    assert "Queue plain is still paused by its breaker: since" in run("sqs_resume", "plain")
    [found] = as_json("sqs_resume", "plain")
    assert found["paused"]["by_breaker"] is True
    assert found["paused"]["reason"] == "breaker: of its last 20 messages 12 failed"


def test_who_may_not_read_tags_resumes_all_the_same(plain, server):
    run("sqs_pause", "plain", "--for=1h")
    server.faults["ListQueueTags", full_name("plain")] = (400, "AccessDeniedException")

    assert "Queue plain is resumed." in run("sqs_resume", "plain")

    del server.faults["ListQueueTags", full_name("plain")]
    assert django_sqs.queues["plain"].paused() is None


def test_all_queues_are_paused_only_when_that_is_said(plain):
    with pytest.raises(CommandError, match="--all"):
        call_command("sqs_pause")
    with pytest.raises(CommandError, match="--all"):
        call_command("sqs_pause", "plain", "--all")

    assert [each["queue"] for each in as_json("sqs_pause", "--all")] == ["plain"]


def test_a_queue_that_does_not_exist_is_not_created(server):
    with pytest.raises(CommandError, match="None of the queues exists"):
        call_command("sqs_pause", "second")

    assert server.count("CreateQueue", full_name("second")) == 0


def test_who_may_not_is_told_what_to_allow(plain, server):
    server.faults["TagQueue", full_name("plain")] = (403, "AccessDenied")

    with pytest.raises(CommandError, match="allow sqs:TagQueue on queue"):
        call_command("sqs_pause", "plain")


def test_who_may_not_read_tags_sees_counts_all_the_same(plain, server):
    server.faults["ListQueueTags", full_name("plain")] = (403, "AccessDenied")

    [found] = [each for each in as_json("sqs_status", "plain") if each["suffix"] is None]

    assert (found["visible"], found["paused"], found["error"]) == (1, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172_800)]
)
def test_lengths(text, seconds):
    assert length(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "1", "1y", "h", "-1h", "1h ", "9" * 30 + "d"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(CommandError):
        call_command("sqs_pause", "plain", f"--for={text}")


def body_of(project, code):
    done = project.run("shell", "-c", f"import django_sqs\n{code}")
    assert done.popen.returncode == 0, done.output


@pytest.mark.parametrize("layout", [("--processes=1",), ("--processes=2", "--threads=2")])
def test_workers_hear_of_it_over_the_channel_that_wakes_them(project, eventually, layout):
    project.env["TEST_WAKE"] = "cache"
    body_of(project, "django_sqs.send('plain', body='first')")
    worker = project.start("runreceiver", "plain", *layout)
    eventually(lambda: project.bodies("plain") == ["first"])

    paused = project.run("sqs_pause", "plain", "--reason=by hand")
    assert paused.popen.returncode == 0, paused.output
    eventually(lambda: worker.output.count("is paused") == int(layout[0][-1]), timeout=15)
    body_of(project, "django_sqs.send('plain', body='second')")
    time.sleep(2)
    assert project.bodies("plain") == ["first"]

    resumed = project.run("sqs_resume", "plain")
    assert resumed.popen.returncode == 0, resumed.output
    eventually(lambda: project.bodies("plain") == ["first", "second"], timeout=15)
    worker.end()


def test_a_paused_worker_is_ready(project, eventually, free_port):
    body_of(project, "django_sqs.send('plain', body='first')")
    project.run("sqs_pause", "plain")
    worker = project.start("runreceiver", "plain", f"--http=127.0.0.1:{free_port}")

    def answer(path):
        from urllib.error import HTTPError, URLError
        from urllib.request import urlopen

        try:
            with urlopen(f"http://127.0.0.1:{free_port}{path}", timeout=5) as found:
                return found.status, found.read().decode()
        except HTTPError as exc:
            return exc.code, exc.read().decode()
        except URLError:
            return None, ""

    eventually(lambda: "is paused" in worker.output, timeout=20)
    eventually(lambda: answer("/readyz")[0] == 200, timeout=10)
    assert 'django_sqs_queue_paused{queue="plain"} 1.0' in answer("/metrics")[1]
    assert project.bodies("plain") == []
    worker.end()


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
