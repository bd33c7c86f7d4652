"""What receives beside a site: when it begins, what stops it, and that it harms nothing."""

import asyncio
import logging
import os
import threading
import time
from datetime import timedelta

import pytest
from django.core.asgi import get_asgi_application
from django.test import Client

import django_sqs
from django_sqs.asgi import lifespan
from django_sqs.schedules.ticker import Ticker
from django_sqs.web import runserver, site_receiver
from django_sqs.web.site_consumer import SiteConsumer
from django_sqs.web.site_receiver import SiteReceiver

from ..checked import problems

# Its threads look for a database's connections at their end.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seen():
    return []


@pytest.fixture
def queue(seen):
    return django_sqs.register("site", lambda message: seen.append(message.get_body()))


@pytest.fixture
def new_site(monkeypatch):
    """Make what receives; it is stopped with the test."""
    made = []

    def new_site(*args, first_request=0.0, **options):
        monkeypatch.setattr(site_receiver, "FIRST_REQUEST", first_request)
        made.append(SiteReceiver(*args, **options))
        return made[-1]

    yield new_site
    for site in made:
        site.stop()


def threads():
    return {each.name for each in threading.enumerate() if each.name.startswith("sqs-site")}


def test_nothing_is_polled_before_the_first_request(new_site, queue, seen, eventually):
    queue.send(body="a")
    site = new_site(["site"], first_request=60)
    site.start()
    assert site._consumer is None

    Client().get("/nowhere")

    eventually(lambda: seen == ["a"])


def test_without_a_request_it_begins_all_the_same(new_site, queue, seen, eventually):
    queue.send(body="a")
    new_site("site", first_request=0.1).start()

    eventually(lambda: seen == ["a"])


def test_its_polls_can_be_shorter_than_others(new_site, queue, seen, eventually, settings):
    settings.SQS_POLL_PERIOD = 20
    site = new_site(poll_period=1)
    site.start()
    eventually(lambda: site._consumer is not None)
    queue.send(body="a")
    eventually(lambda: seen == ["a"])

    assert site._consumer.connection.transport_options["wait_time_seconds"] == 1
    begun = time.monotonic()
    site.stop()
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("names", [(), ("site",)], ids=["all", "chosen"])
def test_it_is_said_that_nobody_receives_from_a_queue_that_comes_late(
    names, new_site, queue, seen, eventually, caplog
):
    queue.send(body="a")
    new_site(names, poll_period=1).start()
    eventually(lambda: seen == ["a"])
    django_sqs.register("late", print)

    assert ("Queue 'late' was registered after" in caplog.text) == (not names)


def test_what_has_not_begun_stops_at_once(new_site, queue):
    site = new_site(first_request=60)
    site.start()
    begun = time.monotonic()
    site.stop()

    assert time.monotonic() - begun < 2
    assert site._consumer is None


def test_a_failure_is_logged_and_it_begins_again(
    new_site, queue, seen, eventually, monkeypatch, caplog
):
    tries = []
    run = SiteConsumer.run

    def fail_once(self, *args, **kwargs):
        tries.append(self)
        if len(tries) == 1:
            raise MemoryError("none left")
        run(self, *args, **kwargs)

    monkeypatch.setattr(SiteConsumer, "run", fail_once)
    monkeypatch.setattr(site_receiver, "FIRST_PAUSE", 0.01)
    queue.send(body="a")
    new_site(["site"]).start()

    eventually(lambda: seen == ["a"])
    assert "trying again" in caplog.text


@pytest.mark.parametrize("name", ["nonsense", "sending-only"])
def test_a_queue_that_cannot_be_received_from_is_named(new_site, eventually, caplog, name):
    django_sqs.register("sending-only")
    new_site([name]).start()

    eventually(lambda: "This process receives nothing" in caplog.text and name in caplog.text)
    eventually(lambda: not threads())


def test_what_is_left_to_lambda_is_not_received(new_site, queue, settings, eventually, caplog):
    settings.SQS_LAMBDA_QUEUES = ["site"]
    assert queue not in new_site()._queues()
    new_site("site").start()

    eventually(lambda: "Queue 'site' is left to AWS Lambda" in caplog.text)


def test_wrong_settings_are_told_and_harm_nothing(new_site, queue, settings, eventually, caplog):
    settings.SQS_POLL_PERIOD = "long"
    new_site(["site"]).start()

    eventually(lambda: "This process receives nothing: SQS_POLL_PERIOD" in caplog.text)
    assert Client().get("/nowhere").status_code == 404


def test_a_process_receives_once_however_often_it_is_started(new_site, queue, caplog):
    assert new_site(first_request=60).start()
    assert not new_site(first_request=60).start()

    assert "second start is ignored" in caplog.text


def test_a_fork_has_nothing_to_stop(new_site, queue, seen, eventually):
    site = new_site(["site"])
    site.start()
    eventually(lambda: site._consumer is not None)
    child = os.fork()
    if child == 0:
        site.stop()
        os._exit(7)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    queue.send(body="a")
    eventually(lambda: seen == ["a"])


def test_a_stop_without_threads_gives_back_what_runs(
    new_site, eventually, monkeypatch, counts, settings
):
    """As Python 3.12.1 starts none any more when the main thread has ended."""
    begun, end = threading.Event(), threading.Event()

    def receive(message):
        begun.set()
        end.wait(20)

    queue = django_sqs.register("site", receive)
    queue.send(body="a")
    site = new_site("site", grace_period=lambda: 0.1)
    site.start()
    assert begun.wait(20)
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "sqs-stop":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(site_receiver, "MARGIN", 0.1)
    site.stop()

    assert counts(queue.full_name()) == (1, 0, 0)
    end.set()
    eventually(lambda: not threads())


def test_it_stops_when_the_site_is_served_no_more(new_site, queue, eventually):
    serving = threading.Event()
    serving.set()
    site = new_site(["site"], serving=serving.is_set)
    site.start()
    eventually(lambda: site._consumer is not None)
    serving.clear()

    eventually(lambda: not threads())


class Server:
    """Speaks ASGI's lifespan events to an application, as a server does."""

    def __init__(self, app):
        self.app = app
        self.said = []

    async def life(self, at_work=None):
        events = asyncio.Queue()
        await events.put({"type": "lifespan.startup"})
        started = asyncio.Event()

        async def send(message):
            self.said.append(message["type"])
            started.set()

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        task = asyncio.ensure_future(self.app(scope, events.get, send))
        waiting = asyncio.ensure_future(started.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if at_work is not None:
            await asyncio.to_thread(at_work)
        await events.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(task, 20)


ALL_SAID = ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(site_receiver, "FIRST_REQUEST", 0.0)


async def silent(scope, receive, send):
    """An application that returns at what it does not know."""


async def knowing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


@pytest.mark.parametrize("app", [get_asgi_application(), silent, knowing])
def test_an_application_receives_as_long_as_it_is_served(at_once, queue, seen, eventually, app):
    queue.send(body="a")
    server = Server(lifespan(app, queues="site", grace_period=2))

    asyncio.run(server.life(lambda: eventually(lambda: seen == ["a"])))

    assert server.said == ALL_SAID
    # It is told of the end by a thread that ends then.
    eventually(lambda: not threads())


@pytest.mark.parametrize("given", ["soon", None])
@pytest.mark.parametrize("name", ["SQS_GRACE_PERIOD", "SQS_MIGRATIONS_PATIENCE"])
def test_what_is_wrong_is_told_once_and_harms_no_stop(
    at_once, queue, settings, eventually, caplog, given, name
):
    setattr(settings, name, 5 if given else "soon")
    server = Server(lifespan(silent, queues="site", grace_period=given))

    asyncio.run(server.life(lambda: eventually(lambda: "'soon'" in caplog.text)))

    assert server.said == ALL_SAID
    [told] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert told.getMessage().startswith("This process receives nothing: ")
    assert not told.exc_info
    eventually(lambda: not threads())


def test_an_application_whose_start_fails_receives_nothing(at_once, queue, seen):
    async def failing(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    server = Server(lifespan(failing))
    asyncio.run(server.life())

    assert server.said == ["lifespan.startup.failed"]
    assert not threads()


def test_a_server_without_lifespan_events_is_told_of_once(caplog):
    app = lifespan(silent)
    for _ in range(2):
        asyncio.run(app({"type": "http"}, None, None))

    assert caplog.text.count("sends no lifespan events") == caplog.text.count("ERROR")


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["manage.py", "runserver"], {"RUN_MAIN": "true"}, True),
        (["manage.py", "runserver", "--noreload", "8000"], {}, True),
        # The process that watches the files.
        (["manage.py", "runserver"], {}, False),
        (["manage.py", "runreceiver", "--noreload"], {"RUN_MAIN": "true"}, False),
        (["manage.py"], {}, False),
        ([], {}, False),
    ],
)
def test_only_the_process_of_runserver_that_answers_receives(arguments, environment, expected):
    assert runserver.is_server(arguments, environment) is expected


def test_without_debug_runserver_receives_nothing(settings):
    settings.SQS_RUN_WITH_RUNSERVER = True
    runserver.receive_with_runserver(["manage.py", "runserver", "--noreload"], {})

    assert not threads()


def test_a_deployment_with_the_setting_for_runserver_is_warned_of(settings):
    settings.SQS_RUN_WITH_RUNSERVER = True

    found = {problem.id for problem in problems(include_deployment_checks=True)}
    assert "django_sqs.W023" in found


def test_workers_without_real_threads_are_told_of(caplog):
    from django_sqs.gunicorn import Receiving

    class Settings:
        worker_class_str = "gevent"

    class Worker:
        cfg = Settings()

    with caplog.at_level(logging.ERROR):
        Receiving().post_worker_init(Worker())

    assert "no real threads" in caplog.text
    assert not threads()


def test_schedules_of_the_database_are_kept_beside_the_site(new_site, monkeypatch, eventually):
    ticks = []
    monkeypatch.setattr(Ticker, "tick", lambda self, now: not ticks.append(now))
    django_sqs.register("site", lambda message: None, every=timedelta(hours=1))
    site = new_site(["site"])

    site.start()

    eventually(lambda: ticks)
    site.stop()
    assert "sqs-schedules" not in {each.name for each in threading.enumerate()}


def test_without_the_app_a_site_sends_each_slot_of_a_fifo_queue_by_one_request(
    new_site, settings, seen, server, prefix, eventually
):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "schedules" not in app]
    django_sqs.register(
        "site.fifo", lambda message: seen.append(message.get_body()), every=timedelta(seconds=1)
    )
    site = new_site(["site.fifo"])

    site.start()

    eventually(lambda: len(seen) >= 2)
    site.stop()
    requests = server.requests["SendMessage", f"{prefix}__site.fifo"]
    assert len(seen) == len(set(seen))
    assert requests <= len(seen) + 1
