"""Buttons of the admin in Chromium: who clicks twice has it done once."""

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_TASKS": "1"}
LIST = "/admin/django_sqs_results/taskrecord/"

MADE = """
from django.utils import timezone
from django_sqs.results.models import TaskRecord
TaskRecord.objects.create(
    id="failed", status="FAILED", task="tests.site.shop.tasks.add", backend="default",
    queue_name="default", args=[1, 2], enqueued_at=timezone.now())
"""
#: As a hand does: the first click's request is on its way when the second comes.
TWICE = """() => {
    const button = document.querySelector("button[name=index]");
    button.click();
    setTimeout(() => button.click(), 30);
}"""


@pytest.fixture
def records(site):
    """How many results of tasks there are."""
    done = site.project.run("shell", "-c", MADE)
    assert done.popen.returncode == 0, done.output
    statement = "SELECT count(*) AS n FROM django_sqs_results_taskrecord"
    return lambda: site.project.rows("django_sqs_results", statement)[0]["n"]


def choose(page):
    page.select_option("select[name=action]", "enqueue_again")
    page.check("input[name=_selected_action]")


def test_a_double_click_enqueues_a_failed_task_again_once(open_page, records):
    page = open_page(f"{LIST}?status__exact=FAILED")
    choose(page)
    page.evaluate(TWICE)

    page.wait_for_selector("text=Enqueued again: 1 task.")
    page.goto(page.url)
    assert records() == 2
    assert page.errors == []
    # Whoever means it does so again, and comes back by the browser's button.
    choose(page)
    page.click("button[name=index]")
    page.wait_for_selector("text=Enqueued again: 1 task.")
    page.go_back()
    choose(page)
    page.click("button[name=index]")
    page.wait_for_selector("text=Enqueued again: 1 task.")
    page.goto(page.url)
    assert records() == 4
