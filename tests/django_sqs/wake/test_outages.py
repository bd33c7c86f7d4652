"""Channels that hang, fall silent or come back: who calls does not wait, and nobody stays deaf."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import pytest

from django_sqs.wake import beats, channels
from django_sqs.wake.calls import Caller, Listener
from django_sqs.wake.channels import channel_of

from ... import redis
from ...databases import kinds
from ...tunnel import Tunnel

pytestmark = pytest.mark.slow


@pytest.fixture
def tunnel():
    """Make a tunnel to a port."""
    with contextlib.ExitStack() as stack:

        def make(port):
            made = Tunnel(port)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def beating(monkeypatch):
    """Listeners look soon whether the other side is there."""
    for module in (beats, channels):
        monkeypatch.setattr(module, "BEAT", 1.0)
        monkeypatch.setattr(module, "PATIENCE", 3.0)
    monkeypatch.setattr("django_sqs.wake.calls.RETRY_PAUSE", 0.2)


@pytest.fixture
def listening():
    """Start a listener for a queue; yields what it has heard."""
    with contextlib.ExitStack() as stack:

        def listen():
            heard = []
            listener = Listener({"full": "plain"}, heard.append, lambda name: None)
            listener.start()
            stack.callback(listener.stop)
            return heard

        yield listen


def port_of(url):
    return urlsplit(url).port


def test_a_redis_that_hangs_delays_one_send_not_each(site):
    with socket.create_server(("127.0.0.1", 0)) as hung:
        site.SQS_WAKE = f"redis://127.0.0.1:{hung.getsockname()[1]}/0"
        caller = Caller()
        caller.call("first")
        began = time.monotonic()
        for number in range(3):
            assert caller.call(f"queue-{number}")

    assert time.monotonic() - began < 1


def test_calls_that_a_hanging_redis_has_missed_are_made_when_it_is_back(
    site, tmp_path, eventually, monkeypatch
):
    monkeypatch.setattr("django_sqs.wake.calls.LONGEST_ALONE", 2.0)
    published = []
    with redis.running(tmp_path) as url:
        site.SQS_WAKE = url
        caller = Caller()
        channel = caller._channel_for(url)

        def hang(name):
            time.sleep(0.6)
            raise TimeoutError("it hangs")

        monkeypatch.setattr(channel, "publish", hang)
        caller.call("first")
        monkeypatch.setattr(channel, "publish", published.append)
        caller.call("second")
        assert published == []

        eventually(lambda: sorted(published) == ["first", "second"], timeout=10)
        eventually(lambda: caller._later is None)


def test_a_redis_that_was_away_is_called_as_soon_as_it_is_back(site, tmp_path):
    with redis.running(tmp_path) as url:
        site.SQS_WAKE = "redis://127.0.0.1:9/0"
        caller = Caller()
        caller.call("plain")
        time.sleep(0.2)
        site.SQS_WAKE = url
        published = []
        caller._channel_for(url).publish = published.append
        caller.call("plain")

    assert published == ["plain"]


def test_a_listener_to_redis_does_not_stay_deaf(
    site, tmp_path, tunnel, beating, listening, eventually
):
    with redis.running(tmp_path) as url:
        way = tunnel(port_of(url))
        site.SQS_WAKE = f"redis://127.0.0.1:{way.port}/0"
        heard = listening()
        direct = channel_of(url)
        eventually(lambda: direct.publish("full") or heard)
        time.sleep(3)
        way.fall_silent()
        heard.clear()

        eventually(lambda: heard, timeout=30)


@pytest.mark.parametrize("times", [1, 3])
def test_calls_that_redis_lost_while_it_was_away_are_made_up_for(
    times, site, tmp_path, tunnel, beating, listening, eventually
):
    with redis.running(tmp_path) as url:
        way = tunnel(port_of(url))
        site.SQS_WAKE = f"redis://127.0.0.1:{way.port}/0"
        heard = listening()
        direct = channel_of(url)
        eventually(lambda: direct.publish("full") or heard)
        for _ in range(times):
            time.sleep(1.5)
            heard.clear()
            way.break_off()

            eventually(lambda: heard, timeout=30)


def test_a_quiet_listener_to_redis_is_not_disturbed(site, tmp_path, beating, listening, caplog):
    with redis.running(tmp_path) as url:
        site.SQS_WAKE = url
        heard = listening()
        time.sleep(5)

        assert heard == []
        assert "cannot be received" not in caplog.text


def test_a_redis_that_was_away_at_the_start_makes_up_for_calls(
    site, tmp_path, beating, listening, eventually
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site.SQS_WAKE = f"redis://127.0.0.1:{port}/0"
    heard = listening()
    time.sleep(0.5)
    with redis.running(tmp_path) as url:
        way = Tunnel(port_of(url), port)
        eventually(lambda: heard, timeout=30)
        way.close()


@pytest.mark.parametrize("kind", ["postgres", "psycopg2", "pool"])
def test_a_listener_to_postgresql_does_not_stay_deaf(kind, project):
    with kinds.running(kind) as server:
        project.use(kind, server.address)
        done = project.run("shell", "-c", SCRIPT, TEST_WAKE="postgres")

    assert done.popen.returncode == 0, done.output
    assert "FACTS heard" in done.output


SCRIPT = """
import time
from django.db import connections
from django_sqs.wake import beats, calls, channels
from tests.tunnel import Tunnel

for module in (beats, channels):
    module.BEAT, module.PATIENCE = 1.0, 4.0
calls.RETRY_PAUSE = 0.2

settings = connections.settings["default"]
way = Tunnel(int(settings["PORT"]))
settings["PORT"] = str(way.port)
heard = []
listener = calls.Listener({"full": "plain"}, heard.append, lambda name: None)
listener.start()

def until(condition):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.1)
    raise SystemExit(f"not so within 40 s; heard {heard}")

caller = calls.Caller()
until(lambda: caller.call("full", always=True) and heard)

def quiet():
    heard.clear()
    time.sleep(1)
    return not heard

# All of these calls come.
until(quiet)
time.sleep(3)
assert not heard, "nobody has called"
for stop in (way.fall_silent, way.break_off):
    connections.close_all()
    heard.clear()
    stop()
    # What was called meanwhile may be lost, so it looks once it hears again.
    until(lambda: heard)
    time.sleep(1.5)
listener.stop()
print("FACTS heard")
"""


@pytest.mark.parametrize("kind", ["postgres", "psycopg2", "pool", "mariadb"])
def test_who_sends_for_days_calls_after_a_restart_of_the_database(kind, project):
    with kinds.running(kind) as server:
        project.use(kind, server.address)
        done = project.run("shell", "-c", BROKEN)

    assert done.popen.returncode == 0, done.output
    assert "FACTS called" in done.output


BROKEN = """
from django.core.management import call_command
from django.conf import settings
from django.db import connection, connections
from django_sqs.wake.channels import channel_of

own, end = "pg_backend_pid()", "SELECT pg_terminate_backend(%s)"
if connection.vendor == "mysql":
    own, end = "connection_id()", "KILL %s"
settings.CACHES = {"default": {
    "BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "calls"
}}
call_command("createcachetable", verbosity=0)
for spec in ["cache"] if connection.vendor == "mysql" else ["postgres", "cache"]:
    # As where the server was restarted.
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {own}")
        [pid] = cursor.fetchone()
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute(end, [pid])
    other.close()

    channel_of(spec).publish("full")
print("FACTS called")
"""
