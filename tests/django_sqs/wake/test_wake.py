"""Wake-up calls to real workers that rest: by each channel, by signal and by HTTP."""

import re
import signal
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from functools import partial
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.utils.timezone import get_default_timezone

import django_sqs
from django_sqs.wake.calls import caller
from django_sqs.wake.channels import channel_of

from ... import postgres, redis

#: Calls hardly depend on the versions of Python, Django and kombu.
pytestmark = pytest.mark.slow

TOKEN = "a-token-of-sixteen-or-more"
#: Nobody listens there.
REFUSING = "redis://127.0.0.1:9/0"
LAYOUTS = [("--processes=1",), ("--processes=2", "--threads=2")]

#: Seconds; far below those that a queue rests, on the busiest machine.
SOON = 20


@pytest.fixture
def resting(project, server, prefix, eventually):
    """Start a worker of a queue that nothing is sent to, and wait until it rests."""
    name = f"{prefix}__plain"

    def asked():
        return server.count("ReceiveMessage", name)

    def resting(*layout, wake="cache"):
        project.env["TEST_WAKE"] = wake
        worker = project.start("runreceiver", "plain", *layout)

        def still():
            before = asked()
            time.sleep(3)
            return before and asked() == before

        eventually(still, timeout=30)
        return worker

    return resting


@pytest.fixture
def send_unheard(sqs, prefix):
    """Send as somebody does who does not call."""

    def send_unheard():
        url = sqs.get_queue_url(QueueName=f"{prefix}__plain")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="eA==")

    return send_unheard


def send_in_another_process(project):
    code = "import django_sqs, time; django_sqs.send('plain', body=str(time.time()))"
    done = project.run("shell", "-c", code)
    assert done.popen.returncode == 0, done.output


def latency(project, eventually):
    """Seconds from the sending to the start of the receiver."""
    [run] = eventually(lambda: project.runs("plain"), timeout=10)
    started = datetime.fromisoformat(run["started_at"])
    if started.tzinfo is None:
        # SQLite keeps times in UTC, or as the project has them, and does not say so.
        zone = timezone.utc if settings.USE_TZ else get_default_timezone()
        started = started.replace(tzinfo=zone)
    seconds = started.timestamp() - float(run["body"])
    print(f"picked up after {seconds:.3f} s")
    return seconds


def test_without_a_call_a_message_waits_for_the_next_poll(resting, project, send_unheard):
    resting(wake="cache")
    send_unheard()
    time.sleep(2)

    assert project.bodies("plain") == []


def test_the_cache(resting, project, eventually):
    resting(wake="cache")
    send_in_another_process(project)

    assert latency(project, eventually) < SOON


def test_redis(resting, project, eventually, tmp_path):
    with redis.running(tmp_path) as url:
        resting("--processes=2", wake=url)
        send_in_another_process(project)

        assert latency(project, eventually) < SOON


def test_what_strangers_publish_makes_nobody_deaf(tmp_path, eventually, site):
    import redis as client

    with redis.running(tmp_path) as url:
        server = client.Redis.from_url(url)
        server.config_set("requirepass", "pa/ss:w@rd%")
        site.SQS_WAKE, site.SQS_WAKE_PASSWORD = url, "pa/ss:w@rd%"
        channel, stopping, heard = channel_of(url), threading.Event(), []
        run = partial(channel.listen, ["queue"], heard.append, stopping)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        stranger = client.Redis.from_url(url, password="pa/ss:w@rd%")
        eventually(lambda: stranger.publish("django_sqs.wake.queue", b"\xff\xfe"))
        channel.publish("queue")

        eventually(lambda: "queue" in heard)
        assert thread.is_alive()
        stopping.set()
        thread.join(10)


def test_postgresql(resting, project, eventually):
    with postgres.running() as database:
        project.env["TEST_POSTGRES"] = database.create_database("site")
        migrated = project.run("migrate", "-v0", "--run-syncdb")
        assert migrated.popen.returncode == 0, migrated.output
        project.runs = lambda queue: rows(project.env["TEST_POSTGRES"])
        resting(wake="postgres")
        send_in_another_process(project)

        assert latency(project, eventually) < SOON


def rows(database):
    """What receivers recorded in a PostgreSQL database."""
    import psycopg

    port, _, name = database.partition("/")
    address = f"host=127.0.0.1 port={port} user=postgres dbname={name}"
    with psycopg.connect(address) as connection:
        found = connection.execute("SELECT started_at, body FROM shop_run").fetchall()
    return [{"started_at": at.isoformat(), "body": body} for at, body in found]


def test_a_channel_that_fails_loses_nothing(resting, project, eventually, send_unheard):
    worker = resting(wake=REFUSING)
    assert "Wake-up calls cannot be received, trying again" in worker.output

    code = "import django_sqs; django_sqs.send('plain', body='sent')"
    done = project.run("shell", "-c", code)

    assert done.popen.returncode == 0
    assert "could not be woken" in done.output
    worker.signal(signal.SIGUSR1)
    eventually(lambda: project.bodies("plain") == ["sent"], timeout=5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_signal(layout, resting, project, eventually, send_unheard):
    worker = resting(*layout, wake="")
    send_unheard()
    worker.signal(signal.SIGUSR1)

    eventually(lambda: project.bodies("plain") == ["x"], timeout=3)
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0


def post(url, **headers):
    request = urllib.request.Request(url, data=b"", headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_workers_own_port(layout, resting, project, eventually, send_unheard):
    worker = resting(*layout, "--http=127.0.0.1:0", wake="")
    url = re.search(r"Health and metrics at (\S+)/", worker.output)[1]
    assert post(f"{url}/wake") == 401
    assert post(f"{url}/wake", Authorization="Bearer wrong-token-of-sixteen") == 401
    assert post(f"{url}/healthz", Authorization=f"Bearer {TOKEN}") == 404
    send_unheard()
    time.sleep(1)
    assert project.bodies("plain") == []

    assert post(f"{url}/wake", Authorization=f"Bearer {TOKEN}") == 202

    eventually(lambda: project.bodies("plain") == ["x"], timeout=3)
    with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
        assert answer.status == 200


@pytest.fixture
def called(site, monkeypatch):
    """What is published on the channel of this process."""

    published = []
    site.SQS_WAKE = "cache"
    channel = SimpleNamespace(publish=published.append, transaction=lambda: None)
    monkeypatch.setattr(caller, "_channel", ("cache", channel))
    monkeypatch.setattr(caller, "_called", {})
    return published


def test_a_burst_is_one_call(called, server):
    for _ in range(5):
        django_sqs.send("plain", body="x")
    django_sqs.send_many("plain", ["x"] * 12)
    django_sqs.send("second", body="x")

    names = [django_sqs.queues[name].full_name() for name in ("plain", "second")]
    assert called == names


def test_what_is_not_sent_calls_nobody(called, server):
    name = django_sqs.queues["plain"].full_name()
    with server.refusing("SendMessage", name), pytest.raises(django_sqs.SQSError):
        django_sqs.send("plain", body="x")

    assert called == []


def test_the_view_calls(called, client, site):
    site.SQS_VIEW_TOKEN = TOKEN
    token = {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    plain = django_sqs.queues["plain"]

    assert client.post("/sqs/wake/").status_code == 401
    assert client.get("/sqs/wake/", **token).status_code == 405
    assert client.post("/sqs/wake/", {"queue": "unknown"}, **token).status_code == 404
    assert called == []
    assert client.post("/sqs/wake/", {"queue": "plain"}, **token).status_code == 202
    assert called == [plain.full_name(), plain.full_name("big"), plain.full_name("small")]
    client.post("/sqs/wake/", {"queue": "plain"}, **token)
    assert len(called) == 6


@pytest.mark.parametrize("spec", [REFUSING, "cache:broken"])
def test_the_view_says_that_its_channel_failed(client, site, spec):
    site.SQS_VIEW_TOKEN, site.SQS_WAKE = TOKEN, spec
    broken = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REFUSING}
    site.CACHES = {**site.CACHES, "broken": broken}

    response = client.post("/sqs/wake/", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")

    assert response.status_code == 503
    assert b"was not called: SQS_WAKE's channel failed. The site's log" in response.content


def test_the_view_without_a_channel_says_so(client, site):
    site.SQS_VIEW_TOKEN = TOKEN
    site.SQS_VIEWS_PUBLIC = True
    assert client.post("/sqs/wake/").status_code == 401

    response = client.post("/sqs/wake/", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")

    assert response.status_code == 409
    assert b"SQS_WAKE is not set" in response.content


@pytest.mark.parametrize("value", ["", "memcached", "postgres:", "redis", 5])
def test_a_wrong_setting_is_found(site, value):
    site.SQS_WAKE = value

    with pytest.raises(Exception, match="SQS_WAKE must be 'cache'"):
        django_sqs.receivers.new_connection()
