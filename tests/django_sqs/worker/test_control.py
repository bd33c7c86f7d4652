"""The HTTP port of a real runreceiver: alive, ready, metrics."""

import json
import logging
import re
import signal
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from django_sqs.optional import Gauge, metrics
from django_sqs.worker.bounded_http import MOST_CONNECTIONS
from django_sqs.worker.control import ControlServer
from django_sqs.worker.readiness import Readiness
from django_sqs.worker.stats import SharedStats
from django_sqs_kombu import Continue, RestartLater
from django_sqs_kombu.working import Action, Settlement, Trip

# How the port answers hardly depends on versions.
pytestmark = pytest.mark.slow


def get(url, timeout=5):
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def url_of(worker, eventually):
    found = eventually(
        lambda: re.search(r"Health and metrics at (\S+)/", worker.output), timeout=30
    )
    return found.group(1)


def samples(text):
    return dict(
        line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")
    )


@pytest.mark.parametrize("layout", [(), ("--processes=2",), ("--processes=1",)])
def test_alive_ready_and_counting(layout, project, eventually):
    queues = ("plain", "failing", "restart")
    worker = project.start("runreceiver", *queues, *layout, "--http=127.0.0.1:0")
    url = url_of(worker, eventually)
    assert get(f"{url}/healthz") == (200, "ok\n")
    eventually(lambda: get(f"{url}/readyz")[0] == 200, timeout=30)
    project.run(
        "shell",
        "-c",
        "import django_sqs; [django_sqs.send('plain', body=str(n)) for n in range(7)];"
        "django_sqs.send('failing', body='x'); django_sqs.send('restart', body='x')",
    )

    def settled(queue, outcome):
        found = samples(get(f"{url}/metrics")[1])
        labels = f'outcome="{outcome}",queue="{queue}"'
        return float(found[f"django_sqs_messages_settled_total{{{labels}}}"])

    eventually(lambda: settled("plain", "deleted") == 7)
    eventually(lambda: settled("failing", "rejected") == 1)
    eventually(lambda: settled("restart", "requeued") == 1)
    eventually(lambda: settled("restart", "deleted") == 1)
    found = samples(get(f"{url}/metrics")[1])
    assert float(found['django_sqs_messages_received_total{queue="plain"}']) == 7
    assert float(found['django_sqs_receivers_running{queue="plain"}']) == 0
    assert float(found["django_sqs_ready"]) == 1
    assert get(f"{url}/elsewhere")[0] == 404

    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0


def test_not_ready_while_it_stops(project, eventually, tmp_path):
    worker = project.start("runreceiver", "slow", "--http=127.0.0.1:0", TEST_GRACE_PERIOD="60")
    url = url_of(worker, eventually)
    end = tmp_path / "end"
    project.run("shell", "-c", f"import django_sqs; django_sqs.send('slow', body='{end}')")
    eventually(lambda: project.runs("slow"))
    worker.signal(signal.SIGTERM)

    eventually(lambda: "stopping" in json.loads(get(f"{url}/readyz")[1])["reasons"])

    assert get(f"{url}/readyz")[0] == 503
    assert get(f"{url}/healthz")[0] == 200
    end.touch()
    assert worker.wait(20) == 0


def test_not_ready_while_sqs_refuses_every_poll(project, eventually, server, prefix):
    server.faults["ReceiveMessage", f"{prefix}__plain"] = (403, "AccessDenied")
    worker = project.start("runreceiver", "plain", "--http=127.0.0.1:0")
    url = url_of(worker, eventually)

    eventually(lambda: "AccessDenied" in worker.output, timeout=30)

    assert get(f"{url}/readyz")[0] == 503
    assert "has not polled queue plain yet" in get(f"{url}/readyz")[1]


def test_a_port_that_is_taken_is_named(project, eventually):
    first = project.start("runreceiver", "plain", "--http=127.0.0.1:0")
    port = url_of(first, eventually).rpartition(":")[2]

    second = project.run("runreceiver", "plain", f"--http=127.0.0.1:{port}")

    assert second.popen.returncode == 1
    assert "--http: cannot listen there" in second.output
    assert project.run("runreceiver", "plain", "--http=nowhere").popen.returncode == 2


def test_a_queue_that_is_not_polled_any_more_is_stalled(monkeypatch):
    stats = SharedStats(["a", "b"], processes=1, threads=2)
    ready = Readiness(stats, [["a", "b"]])
    a, b = SimpleNamespace(name="a"), SimpleNamespace(name="b")
    stats.polled(a, 3)
    stats.polled(b, 0)
    assert not list(ready.reasons())

    now = stats.value(0, "a", "polled_at")
    monkeypatch.setattr("django_sqs.worker.readiness.time.monotonic", lambda: now + 61)
    with stats.receiving(b, SimpleNamespace(sqs_message={})):
        assert [reason.split()[5] for reason in ready.reasons()] == ["a"]
    stats.settled(Settlement(b, None, None, Action.DELETE, None, 2.5))

    assert len(list(ready.reasons())) == 2
    assert stats.total("a", "received") == 3
    assert stats.total("b", "seconds") == 2.5
    stats.process_ended(0)
    assert stats.total("b", "deleted") == 1


def test_policies_breakers_and_limits_are_counted():
    pytest.importorskip("prometheus_client")
    stats = SharedStats(["a", "b"], processes=2)
    control = ControlServer(("127.0.0.1", 0), stats, Readiness(stats, [["a", "b"]]))
    a, b = SimpleNamespace(name="a"), SimpleNamespace(name="b")

    def settled(queue, raised, **options):
        stats.settled(Settlement(queue, None, None, Action.REQUEUE, raised, **options))

    settled(a, OSError(), retried=True)
    settled(a, Continue(1))
    settled(b, RestartLater())
    stats.settled(Settlement(a, None, None, Action.DISCARD, KeyError()))
    stats.settled(Settlement(a, None, None, Action.DEAD_LETTER, ValueError()))
    stats.limited(b, "b")
    stats.tripped(a, "a", Trip(60, 10, 20))
    stats.tripped(b, "b", Trip(60, 10, 20))
    stats.tripped(b, "b", None)
    found = samples(control.answer("/metrics")[2])

    def both(name, labels=""):
        return [float(found[f'{name}{{{labels}queue="{queue}"}}']) for queue in ("a", "b")]

    def outcome(of):
        return both("django_sqs_messages_settled_total", f'outcome="{of}",')

    assert outcome("requeued") == [2, 1]
    assert [outcome("discarded"), outcome("dead_lettered")] == [[1, 0], [1, 0]]
    assert both("django_sqs_messages_retried_total") == [1, 0]
    assert both("django_sqs_messages_continued_total") == [1, 0]
    assert both("django_sqs_rate_limited_total") == [0, 1]
    assert both("django_sqs_breaker_tripped_total") == [1, 1]
    assert both("django_sqs_breaker_open") == [1, 0]
    stats.process_ended(0)
    found = samples(control.answer("/metrics")[2])
    assert both("django_sqs_breaker_open") == [0, 0]
    control._http.server_close()


def test_a_worker_whose_places_are_taken_is_ready(monkeypatch):
    clock = SimpleNamespace(now=1_000_000.0)
    monkeypatch.setattr("django_sqs.worker.readiness.time.monotonic", lambda: clock.now)
    stats = SharedStats(["a", "b"], processes=1, threads=2)
    ready = Readiness(stats, [["a", "b"]])
    a, b = SimpleNamespace(name="a"), SimpleNamespace(name="b")
    delivery = SimpleNamespace(sqs_message={})
    stats.polled(a, 2)
    stats.polled(b, 0)
    with stats.receiving(a, delivery), stats.receiving(a, delivery):
        clock.now += 3600
        assert not list(ready.reasons()), "both receivers run: nobody polls b"

    clock.now += 30
    stats.polled(a, 0)
    assert not list(ready.reasons()), "b is polled again soon"
    clock.now += 31
    assert [reason.split()[5] for reason in ready.reasons()] == ["b"]

    with stats.receiving(a, delivery):
        assert len(list(ready.reasons())) == 1, "one receiver is free, and does not poll"
        ready.one_by_one = lambda: True
        assert not list(ready.reasons()), "after a crash messages are received one by one"


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_step_of_the_clock_neither_stalls_a_queue_nor_hides_one_that_is(step, monkeypatch):
    clock = SimpleNamespace(now=1_000.0)
    wall = time.time()
    monkeypatch.setattr("django_sqs.worker.readiness.time.monotonic", lambda: clock.now)
    stats = SharedStats(["a", "b"], processes=1)
    ready = Readiness(stats, [["a", "b"]])
    a, b = SimpleNamespace(name="a"), SimpleNamespace(name="b")
    stats.polled(b, 0)
    with stats.receiving(a, SimpleNamespace(sqs_message={})):
        stats.polled(a, 1)

    monkeypatch.setattr("django_sqs.worker.readiness.time.time", lambda: wall + step)
    assert not list(ready.reasons())
    clock.now += 61
    stats.polled(a, 0)
    assert [reason.split()[5] for reason in ready.reasons()] == ["b"]


def test_the_wait_of_a_message_is_not_told_for_ever(monkeypatch):
    clock = SimpleNamespace(now=1_000_000.0)
    for name in ("time", "monotonic"):
        monkeypatch.setattr(f"django_sqs.worker.stats.time.{name}", lambda: clock.now)
    stats = SharedStats(["a"], processes=1)
    sent = {"Attributes": {"SentTimestamp": str(int((clock.now - 600) * 1000))}}
    queue = SimpleNamespace(name="a")
    stats.polled(queue, 1)
    clock.now += 1
    with stats.receiving(queue, SimpleNamespace(sqs_message=sent)):
        clock.now += 600
        assert stats.waited("a") == 601, "nobody has looked since whether others wait"

    stats.polled(queue, 0)
    assert stats.waited("a") == 0


@pytest.fixture
def control():
    """A control server, and nothing else of a worker."""
    stats = SharedStats(["a"], processes=1)
    server = ControlServer(("::1", 0), stats, Readiness(stats, [[]]))
    server.start()
    yield server
    server.stop()


def test_it_answers_on_ipv6_and_to_head(control):
    assert control.url.startswith("http://[::1]:")
    assert get(control.url + "healthz") == (200, "ok\n")
    head = urllib.request.Request(control.url + "healthz", method="HEAD")
    with urllib.request.urlopen(head, timeout=5) as answer:
        assert (answer.status, answer.read()) == (200, b"")


def test_a_database_that_hangs_keeps_nobody_from_the_workers_own_figures(
    control, monkeypatch, caplog, eventually
):
    hangs, asked = threading.Event(), []

    def gauges():
        asked.append(threading.get_ident())
        hangs.wait(60)
        return [Gauge("of_the_database", "A figure.", (), {(): 1.0})]

    monkeypatch.setattr(metrics, "all", lambda: [gauges, lambda: [Gauge("other", "One.", ())]])
    began = time.monotonic()
    for _ in range(3):
        status, text = get(control.url + "metrics", timeout=9)
        assert status == 200
        assert "django_sqs_ready 1.0" in text
        assert "# HELP other" in text
        assert "of_the_database" not in text
    assert time.monotonic() - began < 20
    assert len(asked) == 1, "each request holds a thread and a connection of its own"
    assert "Some metrics are left out" in caplog.text

    hangs.set()

    eventually(lambda: "of_the_database 1.0" in get(control.url + "metrics", timeout=9)[1])


def test_metrics_that_fail_cost_no_others(control, monkeypatch, caplog):
    def fails():
        raise ValueError("no such table")

    monkeypatch.setattr(metrics, "all", lambda: [fails, lambda: [Gauge("other", "One.", ())]])

    status, text = get(control.url + "metrics")

    assert status == 200
    assert "# HELP other" in text
    assert "no such table" in caplog.text


def test_slow_clients_keep_nobody_from_an_answer(control, caplog, capfd, eventually):
    port = urlsplit(control.url).port
    before = threading.active_count()
    slow = [socket.create_connection(("::1", port), 5) for _ in range(100)]
    for client in slow[50:]:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")

    assert get(control.url + "healthz") == (200, "ok\n")
    eventually(lambda: threading.active_count() <= before + MOST_CONNECTIONS + 1)

    for client in slow:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    assert get(control.url + "healthz") == (200, "ok\n")
    assert "Traceback" not in capfd.readouterr().err
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_client_that_goes_away_amid_its_answer_is_no_error(control, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    written = threading.Event()
    # More than the buffers of two sockets take, so that the answer is under way for as long.
    control.answer = lambda path: (200, "text/plain", "x" * 50_000_000)
    shut = control._http.shutdown_request
    control._http.shutdown_request = lambda request: (shut(request), written.set())
    with socket.create_connection(("::1", urlsplit(control.url).port), 5) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert client.recv(8) == b"HTTP/1.0"

    assert written.wait(10)
    assert "Traceback" not in capfd.readouterr().err
    gone = [record for record in caplog.records if "went away" in record.message]
    assert [record.levelname for record in gone] == ["DEBUG"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("text", ["nowhere", "127.0.0.1:99999", "127.0.0.1:-1", ":x", "[::1]"])
def test_an_address_that_cannot_be_is_told(text):
    with pytest.raises(CommandError, match="HOST:PORT"):
        call_command("runreceiver", f"--http={text}")
