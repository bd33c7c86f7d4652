"""The list of queues says first what is wrong, and what runs where."""

import os
import re
import signal
import time

import boto3
import pytest

from ..catalogue import PACKAGE, written
from .conftest import heartbeats, shoot

pytestmark = pytest.mark.slow

LIST = "/admin/django_sqs_monitor/queuereport/"
QUEUE = LIST + "queue/{}/"


@pytest.fixture
def bury(site, send):
    """Put dead letters beside a queue."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing-secret"}
    client = boto3.client("sqs", endpoint_url=site.sqs.url, region_name="us-east-1", **keys)

    def bury(count):
        send("django_sqs.send('watched', body='alive')")
        name = f"{site.project.prefix}__watched-dead"
        url = client.get_queue_url(QueueName=name)["QueueUrl"]
        for number in range(count):
            client.send_message(QueueUrl=url, MessageBody=f"dead {number}")

    return bury


def attention(page):
    """The text of what is wrong."""
    return " ".join(page.locator(".sqs-attention").inner_text().split())


def test_what_is_wrong_stands_first_and_leads_to_it(open_page, bury, send, worker, tmp_path):
    bury(3)
    send("django_sqs.send_many('counted', ['1', '2']); django_sqs.send('light', body='x')")
    page = open_page(LIST)

    said = attention(page)
    assert "need attention: " in said
    assert "watched has 3 dead letters" in said
    assert "counted has no worker for 2 messages" in said
    assert "light has no worker" not in said
    assert "async has no worker" not in said, "nothing waits for one"
    shoot(page, tmp_path, "attention")
    page.click("button:text-is('3 dead letters')")
    page.wait_for_selector("caption:text-is('Dead letters')")
    assert "dead 1" in page.locator(".sqs").inner_text()


def test_who_may_not_look_is_led_to_the_queue(visit, bury):
    bury(2)
    page = visit("reader").get(LIST).text

    assert f'<a href="{QUEUE.format("watched")}' in page
    assert re.search(r">\d dead letters</a>", page)
    assert "/peek/" not in page


def test_a_receiver_that_hangs_is_seen_with_its_worker(site, visit, send, eventually, tmp_path):
    blocker = tmp_path / "go-on"
    worker = site.project.start("runreceiver", "slow", "--threads=2", TEST_VERSION="7.1")
    send(f"django_sqs.send('slow', body={str(blocker)!r}); django_sqs.send('slow', body='0')")

    def seen():
        page = visit("reader").get(QUEUE.format("slow")).text
        return page if f"<td>{_host()}:{worker.pid}</td>" in page else None

    page = eventually(seen, timeout=40)
    assert page.count(f"<td>{_host()}:{worker.pid}</td>") == 1
    assert "7.1" in visit("reader").get(LIST).text

    # One that is killed stays for an hour.
    os.kill(worker.pid, signal.SIGKILL)
    worker.popen.wait(20)
    page = eventually(lambda: _stale(visit, worker), timeout=40)
    blocker.touch()

    assert "7.1" in page
    assert "its worker is gone" in page
    assert heartbeats(site, worker) == 1


def _host():
    return os.uname().nodename


def _stale(visit, worker):
    page = visit("reader").get(LIST).text
    return page if f':{worker.pid} <strong class="sqs-error">stale' in page else None


def test_what_runs_for_too_long_may_be_stuck(site, visit):
    code = (
        "from datetime import timedelta; from django.utils import timezone;"
        "from django_sqs.monitor.models import Heartbeat;"
        "now = timezone.now(); at = (now - timedelta(hours=1)).isoformat();"
        # Not stale either where a busy machine takes long for the pages.
        "seen = now + timedelta(minutes=5);"
        "Heartbeat.objects.create(host='far', pid=1, started_at=now, seen_at=seen, processes=1,"
        " threads=1, running={'light': 1},"
        " messages=[{'queue': 'light', 'id': 'm-1', 'process': 0, 'since': at}])"
    )
    done = site.project.run("shell", "-c", code)
    assert done.popen.returncode == 0, done.output
    page = visit("reader").get(LIST).text

    assert f'light may be stuck in <a href="{QUEUE.format("light")}#running">1 receiver</a>' in page
    assert "stuck?" in visit("reader").get(QUEUE.format("light")).text
    assert "stuck?" not in visit("reader").get(QUEUE.format("broken")).text


def test_a_page_that_nobody_looks_at_asks_for_nothing(open_page):
    page = open_page(LIST)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "() => { const see = hidden => { Object.defineProperty(document, 'hidden',"
        " {configurable: true, get: () => hidden});"
        " document.dispatchEvent(new Event('visibilitychange')); }; window.see = see; see(true) }"
    )

    time.sleep(11)
    assert asked == []
    page.evaluate("see(false)")
    page.wait_for_timeout(2000)

    assert len(asked) == 1
    page.wait_for_timeout(10_000)
    assert len(asked) == 2
    assert page.errors == []


def english(text):
    """What is in a page of the texts that should be in German."""
    seen = {" ".join(each.split()) for each in re.split(r"<[^>]+>", text)}
    texts, _ = written(PACKAGE / "locale/de/LC_MESSAGES/django.po")
    # One is the name of a queue, too.
    return seen & {key for key, german in texts.items() if key != german} - {"", "started"}


def test_who_asks_for_german_gets_it_and_the_history_is_in_the_sites_language(visit):
    session = visit("root")
    session.language = "de-DE,de;q=0.9,en;q=0.5"
    queue = QUEUE.format("light")
    lists = {
        "failures/failuregroup": "Gruppen von Fehlschlägen",
        "failures/failure": "Amazon SQS: Fehlschläge",
        "outbox/outboxmessage": "zu sendende Nachrichten",
        "results/taskrecord": "Ergebnisse von Aufgaben",
        "schedules/knownschedule": "Zeitpläne",
        "schedules/slot": "Termine",
        "tickets/usedticket": "benutzte Tickets",
        "tickets/uniquekey": "eindeutige Schlüssel",
        "inbox/receivedmessage": "empfangene Nachrichten",
        "monitor/queuereport": "Empfangen, letzte Stunde",
    }
    pages = {session.get(f"/admin/django_sqs_{each}/").text: said for each, said in lists.items()}
    # What is done in a thread of its own is told in the language of who asked.
    done = session.post(queue + "purge/", confirmed="yes")
    pages[done.text] = "Alle Nachrichten von light werden gelöscht"
    pages[session.get(queue).text] = "Letzte Stunde"
    pages[session.post(queue + "peek/").text] = "Die Warteschlange ist leer."
    pages[session.post(queue + "pause/").text] = "bis zum Fortsetzen"

    assert [said for page, said in pages.items() if said not in page] == []
    assert {said: english(page) for page, said in pages.items() if english(page)} == {}
    assert "Deleted all messages." in session.get(LIST + "light/history/").text
