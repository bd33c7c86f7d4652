"""The pages in the admin as anybody without JavaScript sees them, and who may do what."""

import re
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from urllib.parse import urlsplit

import boto3
import pytest

from ..databases import direct, settings
from ..faults.proxy import FaultProxy
from .conftest import Session, heartbeats, url_of

#: Pages hardly depend on the versions of Python and kombu; on Django's they are tried, too.
pytestmark = pytest.mark.slow

LIST = "/admin/django_sqs_monitor/queuereport/"
QUEUE = LIST + "queue/{}/"


@pytest.fixture
def sqs(site):
    return boto3.client(
        "sqs",
        endpoint_url=site.sqs.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )


@pytest.fixture
def full_name(site):
    return lambda name: f"{site.project.prefix}__{name}"


def cells(page, label):
    """The text of a queue's cells in the list."""
    row = re.search(rf"<tr>\s*<th scope=\"row\"><a [^>]*>{label}</a>.*?</tr>", page, re.DOTALL)[0]
    found = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in found]


def test_the_list_shows_counts_and_dead_letters(visit, send, sqs, full_name):
    send(
        "django_sqs.send_many('watched', ['a', 'b', 'c']);"
        "django_sqs.send('watched', body='later', delay=600)"
    )
    url = sqs.get_queue_url(QueueName=full_name("watched-dead"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="dead")
    watched = sqs.get_queue_url(QueueName=full_name("watched"))["QueueUrl"]
    sqs.receive_message(QueueUrl=watched)

    page = visit("root").get(LIST)

    assert page.status == 200
    assert cells(page.text, "watched")[:5] == ["1", "0", "2", "1", "1"]
    assert "does not exist yet" in cells(page.text, "second")[2]
    assert "No worker is alive" in page.text
    assert 'href="/admin/django_sqs_monitor/queuereport/"' in visit("root").get("/admin/").text


def test_what_workers_do_is_seen(visit, send, worker, eventually):
    send("django_sqs.send_many('light', ['x'] * 7); django_sqs.send('broken', body='bad')")

    def seen():
        page = visit("reader").get(LIST).text
        return page if cells(page, "light")[-2] == "7" else None

    page = eventually(seen, timeout=40)

    assert [cells(page, "broken")[at] for at in (1, -2)] == ["1", "1"]
    assert f":{worker.pid}</th>" in page
    assert "No worker is alive" not in page
    assert "7 messages received in the last hour" in page
    assert visit("reader").get(QUEUE.format("light")).text.count("s on average") == 1


def test_a_worker_without_the_tables_says_so_now_and_then(site, tmp_path, eventually):
    in_file = site.project.env.get("DB", "sqlite") == "sqlite"
    database = str(tmp_path / "empty.sqlite3") if in_file else f"e_{uuid.uuid4().hex[:8]}"
    for alias in settings.aliases(site.project.env):
        direct.create({**site.project.env, "TEST_DATABASE": database}, alias)
    worker = site.project.start("runreceiver", "light", TEST_DATABASE=database)
    eventually(lambda: "cannot be recorded" in worker.output, timeout=30)
    time.sleep(1.5)

    assert worker.output.count("cannot be recorded") <= 2
    worker.end()


def test_a_worker_beats_as_often_as_the_project_says(site, worker, eventually):
    seen = set()

    def beats():
        statement = "SELECT seen_at FROM django_sqs_monitor_heartbeat WHERE pid = ?"
        rows = site.project.rows("django_sqs_monitor", statement, worker.pid)
        seen.update(str(row["seen_at"]) for row in rows)
        return len(seen) >= 4

    eventually(beats, timeout=60)

    times = sorted(datetime.fromisoformat(each) for each in seen)
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    # Every 10 seconds is the default; the site's MonitoringConfig says 2.
    assert 1.9 < min(pauses) < 8


@pytest.mark.parametrize(("ago", "alive"), [(5, True), (7, False)])
def test_a_worker_that_missed_three_beats_is_taken_for_dead(site, ago, alive):
    code = (
        "from datetime import timedelta; from django.utils import timezone;"
        "from django_sqs.monitor.models import Heartbeat;"
        "from django_sqs.monitor.report import report;"
        f"at = timezone.now() - timedelta(seconds={ago});"
        "one = Heartbeat.objects.create(host='elsewhere', pid=1, started_at=at, seen_at=at,"
        " processes=1, threads=1, running={});"
        "found = [each.host for each in report([]).workers]; one.delete(); print('FOUND', found)"
    )

    done = site.project.run("shell", "-c", code)

    assert ("FOUND ['elsewhere']" in done.output) is alive, done.output
    assert "FOUND" in done.output


def test_a_worker_that_stops_signs_off(visit, site, worker):
    worker.end()

    assert heartbeats(site, worker) == 0


@pytest.mark.parametrize(
    ("name", "status"), [("root", 200), ("reader", 200), ("mover", 200), ("nobody", 403)]
)
def test_who_may_look(visit, name, status):
    assert visit(name).get(LIST).status == status
    assert visit(name).get(QUEUE.format("watched")).status == status


def test_strangers_are_sent_to_the_login(visit):
    for path in (LIST, QUEUE.format("watched")):
        assert "/admin/login/" in visit("outsider").get(path).url


@pytest.mark.parametrize("action", ["peek", "purge", "redrive", "move"])
def test_who_may_do_what(visit, send, action):
    send("django_sqs.send('watched', body='here')")
    path = QUEUE.format("watched") + f"{action}/"
    allowed = {"root": True, "mover": action in ("redrive", "move"), "reader": False}

    for name, may in allowed.items():
        session = visit(name)
        session.get(QUEUE.format("watched"))
        assert session.get(path).status == 405
        assert session.post_without_token(path).status == 403
        assert session.post(path).status == (200 if may else 403), name
        page = session.get(QUEUE.format("watched")).text
        # A look leads to its messages: "#messages".
        assert bool(re.search(f'/{action}/["#]', page)) is may, name


def visible(sqs, name):
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    wanted = ["ApproximateNumberOfMessages"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)
    return int(answer["Attributes"][wanted[0]])


def test_a_look_leaves_messages_and_shows_strangers_text_as_text(visit, sqs, full_name):
    url = sqs.create_queue(QueueName=full_name("raw"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="<script>alert(1)</script>")
    session = visit("root")
    session.get(QUEUE.format("raw"))

    page = session.post(QUEUE.format("raw") + "peek/")

    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text
    assert visible(sqs, full_name("raw")) == 1


def test_purging_asks_first(visit, send, sqs, full_name):
    send("django_sqs.send_many('second', ['a', 'b'])")
    session = visit("root")
    session.get(QUEUE.format("second"))

    asked = session.post(QUEUE.format("second") + "purge/")
    assert "Delete all 2 messages of second?" in asked.text
    assert visible(sqs, full_name("second")) == 2
    done = session.post(QUEUE.format("second") + "purge/", confirmed="yes")

    assert done.url.endswith(QUEUE.format("second"))
    assert "All messages of second are being deleted" in done.text
    assert visible(sqs, full_name("second")) == 0


def test_moving_and_redriving(visit, send, sqs, full_name):
    send("django_sqs.send('copy', body='a'); django_sqs.send('watched', body='alive')")
    url = sqs.get_queue_url(QueueName=full_name("watched-dead"))["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="dead")
    session = visit("mover")
    session.get(QUEUE.format("copy"))

    asked = session.post(QUEUE.format("copy") + "move/", target="restart")
    assert "To: <strong>restart</strong>" in asked.text
    assert "Move the 1 visible message of copy to another queue?" in asked.text
    moved = session.post(QUEUE.format("copy") + "move/", target="restart", confirmed="yes")
    nowhere = session.post(QUEUE.format("copy") + "move/", target="nowhere", confirmed="yes")
    about = session.post(QUEUE.format("watched") + "redrive/", target="restart").text
    redriven = session.post(QUEUE.format("watched") + "redrive/", confirmed="yes")
    history = [visit("root").get(f"{LIST}{name}/history/").text for name in ("copy", "watched")]

    assert "Moved 1 message from copy to restart." in moved.text
    assert "Choose a queue of this project" in nowhere.text
    assert "Moved 1 message to restart." in history[0]
    assert "Moved 1 dead letter back." in history[1]
    # Its suffixes share them, so nobody knows how many are whose.
    assert "Move the dead letters of watched back into it?" in about
    assert "To: " not in about
    assert "Moved 1 message " in redriven.text
    assert visible(sqs, full_name("restart")) == 1
    assert visible(sqs, full_name("watched-dead")) == 0


def test_pausing_and_resuming(visit, send, sqs, full_name):
    send("django_sqs.send('raw', body='here')")
    session = visit("root")
    session.get(QUEUE.format("raw"))

    asked = session.post(QUEUE.format("raw") + "pause/")
    assert "Pause raw? New messages will wait in it." in asked.text
    done = session.post(
        QUEUE.format("raw") + "pause/", confirmed="yes", seconds="3600", reason="<b>stock</b>"
    )

    assert "Queue raw is paused" in done.text
    assert "b stock /b. No worker receives from it." in done.text
    assert 'class="sqs-paused"' in session.get(LIST).text
    url = sqs.get_queue_url(QueueName=full_name("raw"))["QueueUrl"]
    assert "b stock /b" in sqs.list_queue_tags(QueueUrl=url)["Tags"]["django-sqs:paused"]
    assert visit("mover").post(QUEUE.format("raw") + "resume/", confirmed="yes").status == 403
    resumed = session.post(QUEUE.format("raw") + "resume/", confirmed="yes")
    assert "Queue raw is resumed" in resumed.text
    assert 'class="sqs-paused"' not in session.get(LIST).text
    history = session.get(LIST + "raw/history/").text
    assert "Paused." in history
    assert "Resumed." in history


def test_the_oldest_message_by_cloudwatch(site, full_name, tmp_path):
    """In a process of its own, since the pages of the others do not ask."""
    cloudwatch = boto3.client(
        "cloudwatch",
        endpoint_url=site.sqs.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )
    cloudwatch.put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": full_name("watched")}],
                "Value": 321.0,
                # As CloudWatch, the server tells of whole minutes.
                "Timestamp": datetime.now(timezone.utc) - timedelta(minutes=2),
            }
        ],
    )
    code = (
        "from django.conf import settings; settings.SQS_CLOUDWATCH = True;"
        "from django_sqs.monitor.report import report;"
        "print({row.label: row.oldest for row in report().rows if row.oldest is not None})"
    )
    told = site.project.run("shell", "-c", code, AWS_ENDPOINT_URL_CLOUDWATCH=site.sqs.url)
    untold = site.project.run(
        "shell", "-c", code, AWS_ENDPOINT_URL_CLOUDWATCH="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1"
    )

    naive = {"TEST_USE_TZ": "no", "TEST_TIME_ZONE": "Asia/Kolkata"}
    told_without_zones = site.project.run(
        "shell", "-c", code, AWS_ENDPOINT_URL_CLOUDWATCH=site.sqs.url, **naive
    )

    assert "{'watched': 321.0}" in told.output
    assert "{'watched': 321.0}" in told_without_zones.output
    assert "CloudWatch did not return the age of messages" in untold.output
    assert "{}" in untold.output


@pytest.mark.parametrize(
    "body", [b"<html><body>Sign in to the network</body></html>", b"[1, 2]", b"\xff\x00", b"null"]
)
def test_a_proxy_that_answers_in_the_place_of_cloudwatch_breaks_no_page(body, site):
    code = (
        "from django.conf import settings; settings.SQS_CLOUDWATCH = True;"
        "from django_sqs.monitor.report import report; print(len(report().rows), 'rows')"
    )
    with answering_all(body) as url:
        done = site.project.run("shell", "-c", code, AWS_ENDPOINT_URL_CLOUDWATCH=url)

    assert "the age of messages: the answer is not from CloudWatch" in done.output
    assert re.search(r"\d rows", done.output)


@contextmanager
def answering_all(body):
    """A server that answers each request with *body* and a status of success; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_not_there(visit):
    session = visit("root")
    session.get(LIST)

    assert session.get(QUEUE.format("nowhere")).status == 404
    assert session.post(QUEUE.format("watched") + "explode/").status == 404


def test_sqs_that_cannot_be_asked_is_said(visit, site, send, full_name):
    send("django_sqs.send('watched', body='here')")
    with site.sqs.refusing("GetQueueAttributes", full_name("watched")):
        page = visit("root").get(LIST)
        one = visit("root").get(QUEUE.format("watched"))

    assert page.status == one.status == 200
    assert "allow sqs:GetQueueAttributes" in page.text
    assert "allow sqs:GetQueueAttributes" in one.text


def test_a_dump_of_all_data_holds_no_queue(site):
    done = site.project.run("dumpdata")

    assert done.popen.returncode == 0, done.output
    assert "django_sqs_monitor.queuereport" not in done.output


def test_no_model_of_ours_lacks_a_table(site):
    code = "from django.apps import apps; print([m.objects.count() for m in apps.get_models()])"

    done = site.project.run("shell", "-c", code)

    assert done.popen.returncode == 0, done.output
    missing = site.project.run("makemigrations", "--check", "--dry-run", "django_sqs_monitor")
    assert missing.popen.returncode == 0, missing.output


def test_the_pages_of_a_row_lead_to_the_queue_or_say_no(visit):
    session = visit("root")

    assert session.get(LIST + "watched/change/").url.endswith(QUEUE.format("watched"))
    assert session.get(LIST + "watched/").url.endswith(QUEUE.format("watched"))
    assert session.get(LIST + "1/change/").status == 404
    assert session.get(LIST + "watched/delete/").status == 403
    assert session.get(LIST + "add/").status == 403
    assert session.get(LIST + "watched/history/").status == 200
    assert visit("nobody").get(LIST + "watched/history/").status == 403


def test_what_a_person_did_stands_in_the_history(visit, send):
    send("django_sqs.send('raw', body='here')")
    session = visit("root")
    session.get(QUEUE.format("raw"))
    session.post(QUEUE.format("raw") + "purge/", confirmed="yes")

    # Others may have left some in it.
    assert re.search(r"Deleted (the|all) \d+ messages?\.", session.get(LIST + "raw/history/").text)
    assert f'href="{LIST}raw/change/"' in session.get("/admin/").text
    assert "root" in session.get(LIST + "raw/history/").text


def test_another_admin_site_keeps_its_visitors(visit, send):
    send("django_sqs.send('raw', body='here')")
    session = visit("root")
    other = QUEUE.replace("/admin/", "/staff/").format("raw")

    page = session.get(other)
    done = session.post(other + "purge/", confirmed="yes")

    assert 'href="/staff/' in page.text
    assert 'href="/admin/' not in page.text
    assert done.url.endswith(other)


def test_dead_letters_are_looked_at_too(visit, send, sqs, full_name):
    send("django_sqs.send('watched', body='alive')")
    url = sqs.get_queue_url(QueueName=full_name("watched-dead"))["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="dead and gone")
    session = visit("root")

    assert "Look at dead letters" in session.get(QUEUE.format("watched")).text
    page = session.post(QUEUE.format("watched") + "peek/", dead="yes").text

    assert "dead and gone" in page
    assert "alive" not in page


def test_an_sqs_that_hangs_holds_up_no_page(site, send, visit):
    proxy = FaultProxy(urlsplit(site.sqs.url).port)
    proxy.set("hung")
    served = site.project.start(
        *("runserver", "--noreload", "127.0.0.1:0"),
        TEST_SQS_ENDPOINT_URL=proxy.url,
        TEST_STATUS_CACHE_TIMEOUT="60",
        AWS_MAX_ATTEMPTS="5",
    )
    session = Session(url_of(served)).log_in("root")
    times = []

    def load(action, *args, **fields):
        started = time.monotonic()
        page = action(*args, **fields)
        times.append(time.monotonic() - started)
        return page

    page = load(session.get, LIST)
    again = load(session.get, LIST)
    one = load(session.get, QUEUE.format("watched"))
    peeked = load(session.post, QUEUE.format("watched") + "peek/")
    proxy.stop()

    assert all("SQS has not answered within 5 seconds" in p.text for p in (page, again, one))
    assert "SQS has not answered within 15 seconds" in peeked.text
    # There are twenty queues, and one request with its tries takes half a minute.
    assert times[0] < 15
    assert max(times[1:3]) < 5, "what was found out is kept"
    assert times[3] < 27


def test_the_list_of_permissions_has_those_alone_that_mean_something(site):
    code = (
        "from django.contrib.auth.models import Permission;"
        "print(sorted(Permission.objects.filter(content_type__app_label__startswith='django_sqs')"
        ".values_list('codename', flat=True)))"
    )
    done = site.project.run("shell", "-c", code)

    assert eval(done.output.splitlines()[-1]) == sorted(
        [
            *(f"{each}_outboxmessage" for each in ("change", "delete", "view")),
            *(f"{each}_receivedmessage" for each in ("delete", "view")),
            *(f"{each}_taskrecord" for each in ("delete", "enqueue", "view")),
            *(f"{each}_knownschedule" for each in ("change", "delete", "view")),
            *(f"{each}_queuereport" for each in ("move", "pause", "peek", "purge", "view")),
            *(f"{each}_failure" for each in ("body", "discard", "send", "view")),
            *("view_slot", "view_failuregroup", "view_usedticket"),
            *(f"{each}_uniquekey" for each in ("delete", "view")),
        ]
    )


def test_an_empty_queue_is_told_as_such(visit, send):
    send("django_sqs.send('copy', body='x')")
    send("from django_sqs.operations.queues import by_name; list(by_name('copy', None)[0].clear())")
    session = visit("root")
    session.get(f"{LIST}queue/copy/")

    assert "The queue is empty." in session.post(f"{LIST}queue/copy/peek/").text
