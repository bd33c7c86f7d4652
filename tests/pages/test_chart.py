"""The chart of what receivers did, and the pages with many rows."""

import json

import pytest

from .conftest import shoot

pytestmark = pytest.mark.slow

LIST = "/admin/django_sqs_monitor/queuereport/"
QUEUE = LIST + "queue/light/"

#: A week of hours and a day of minutes of some seventy queues: 100,000 rows and more.
FILL = """
from datetime import timedelta
from django.utils import timezone
from django_sqs.monitor.models import QueueHour, QueueMinute
now = timezone.now().replace(second=0, microsecond=0)
names = ["light", *(f"q{n}" for n in range(69))]
did = {"received": 3, "rejected": 1, "waited": 2.5, "busy": 30.0}
QueueMinute.objects.all().delete()
QueueMinute.objects.bulk_create(
    (QueueMinute(queue_name=q, minute=now - timedelta(minutes=m), **did)
     for q in names for m in range(1440)), batch_size=100)
hour = now.replace(minute=0)
QueueHour.objects.all().delete()
QueueHour.objects.bulk_create(
    (QueueHour(queue_name=q, hour=hour - timedelta(hours=h), **did)
     for q in names for h in range(168)), batch_size=100)
"""

MEASURE = """
import json, time
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
client = Client()
client.force_login(User.objects.get(username="root"))
found = {}
for path in %r:
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        # Of this process, in which SQLite is, too: others may have the processor meanwhile.
        started = time.process_time()
        status = client.get(path).status_code
        found[path] = status, len(queries), time.process_time() - started
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def filled(site):
    done = site.project.run("shell", "-c", FILL, timeout=200)
    assert done.popen.returncode == 0, done.output


def test_a_worker_counts_by_the_hour_too(site, send, worker, eventually):
    send("django_sqs.send_many('light', ['x'] * 5)")

    def counted():
        statement = "SELECT sum(received) AS n FROM django_sqs_monitor_queue{}"
        both = [
            site.project.rows("django_sqs_monitor", statement.format(each))[0]["n"]
            for each in ("minute", "hour")
        ]
        return both[0] and both[0] >= 5 and both

    minutes, hours = eventually(counted, timeout=40)
    assert minutes == hours


def test_pages_with_100_000_rows_ask_little_and_are_quick(filled, site):
    paths = [f"{path}?span={span}" for path in (LIST, QUEUE) for span in ("hour", "day", "week")]
    done = site.project.run("shell", "-c", MEASURE % paths, TEST_STATUS_CACHE_TIMEOUT="60")
    assert done.popen.returncode == 0, done.output
    found = json.loads(done.output.partition("FOUND")[2].splitlines()[0])

    assert {status for status, _, _ in found.values()} == {200}
    assert max(queries for _, queries, _ in found.values()) < 20
    assert max(seconds for _, _, seconds in found.values()) < 1


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_chart_is_accessible_and_fits(filled, open_page, tmp_path, width, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(QUEUE, width=width, dark=dark)

    page.click(".sqs-spans a:text-is('day')")
    page.wait_for_selector("h2:text-is('Last day')")
    label = page.locator("svg.sqs-chart").first.get_attribute("aria-label")
    shoot(page, tmp_path, f"chart-{'dark' if dark else 'light'}-{width}")

    # The latest bar is not full yet.
    assert label.startswith("Last day: 4,")
    assert label.endswith("failed")
    assert (
        page.locator("svg.sqs-chart")
        .nth(2)
        .get_attribute("aria-label")
        .startswith("Last day: Up to 0.5 running")
    )
    assert page.locator("svg.sqs-chart").first.locator("rect.sqs-marked").count() >= 95
    found = axe.run(page, context=".sqs")
    assert [each["id"] for each in found.response["violations"]] == []
    overflow = page.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('.sqs'))")
    assert overflow <= 0
    assert page.errors == []
