"""The results of tasks in the admin: to search, to read, and to run failed ones again."""

import re

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_TASKS": "1"}
LIST = "/admin/django_sqs_results/taskrecord/"

MADE = """
from django.utils import timezone
from django_sqs.results.models import TaskRecord
from tests.site.shop.tasks import add
done, failed = add.enqueue(1, 2), add.enqueue(3, 4)
now = timezone.now()
TaskRecord.objects.filter(pk=failed.id).update(
    status="FAILED", finished_at=now, worker_ids=["host:1:Main", "host:1:Main"],
    errors=[{"exception": "ValueError", "traceback": "Traceback:\\nValueError: <b>no</b>"}])
print(failed.id, done.id)
"""


def test_results_are_searched_read_and_enqueued_again(site, visit, sqs_count):
    made = site.project.run("shell", "-v0", "-c", MADE)
    assert made.popen.returncode == 0, made.output
    failed, done = re.findall(r"^(\w{32}) (\w{32})$", made.output, re.MULTILINE)[-1]
    root = visit("root")

    found = root.get(LIST + f"?q={failed}")
    assert failed in found.text
    assert done not in found.text
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in found.text
    page = root.get(LIST + f"{failed}/change/")
    assert '<pre class="sqs-pre" tabindex="0">Traceback:' in page.text
    assert not re.search(r'name="(status|args|task|_save)"', page.text)
    assert root.get(LIST + "add/").status == 403

    again = root.post(LIST, action="enqueue_again", _selected_action=failed)
    assert "Enqueued again: 1 task." in again.text
    assert sqs_count("tasks-default") == 3
    assert visit("nobody").get(LIST).status == 403


#: A unique task that has failed and keeps its key, and one whose key another has.
KEPT = """
from django.contrib import admin
from django.contrib.messages.storage.cookie import CookieStorage
from django.test import RequestFactory
from django_sqs.results.models import TaskRecord
from django_sqs.tasks import unique
from tests.site.shop.tasks import add
unique(unique_for=60)(add)
failed, waits = add.enqueue(5, 6), add.enqueue(7, 8)
assert add.enqueue(5, 6).id == failed.id
other = TaskRecord.objects.filter(pk=waits.id).values()[0] | {"id": "a" * 32, "status": "FAILED"}
TaskRecord.objects.create(**other)
TaskRecord.objects.filter(pk=failed.id).update(status="FAILED")
request = RequestFactory().post("/")
request._messages = CookieStorage(request)
page = admin.site.get_model_admin(TaskRecord)
page.enqueue_again(request, page.get_queryset(request).filter(pk__in=[failed.id, "a" * 32]))
TaskRecord.objects.filter(pk__in=[failed.id, waits.id, "a" * 32]).delete()
print(f"failed {failed.id}, waits {waits.id}", *request._messages, sep="\\n")
"""


def test_what_is_not_enqueued_again_says_who_has_its_key(site):
    said = site.project.run("shell", "-v0", "-c", KEPT).output

    assert (ids := re.search(r"failed (\w+), waits (\w+)", said)), said
    assert f"{ids[1]}: not enqueued, since it has its key of @unique" in said
    assert f"{'a' * 32}: not enqueued, since the task {ids[2]} has its key" in said
    assert "Enqueued again: 0 tasks." in said


#: Three that have failed, where two are enqueued again at once.
MANY = """
from django.contrib import admin
from django.contrib.messages.storage.cookie import CookieStorage
from django.test import RequestFactory
from django.utils import timezone
from django_sqs.results import admin as page
from django_sqs.results.models import TaskRecord
from django_sqs.written import written
page.MOST = 2
task = {"status": "FAILED", "task": "tests.site.shop.tasks.add", "backend": "default"}
more = {"queue_name": "default", "args": [1, 2], "enqueued_at": timezone.now()}
chosen = [TaskRecord.objects.create(id=f"many-{n}", **task, **more).pk for n in range(3)]
before = written(TaskRecord).count()
request = RequestFactory().post("/")
request._messages = CookieStorage(request)
admin.site.get_model_admin(TaskRecord).enqueue_again(
    request, written(TaskRecord).filter(pk__in=chosen))
print(f"{written(TaskRecord).count() - before} enqueued", *request._messages, sep="\\n")
written(TaskRecord).filter(pk__in=chosen).delete()
"""


def test_more_failed_tasks_than_a_page_has_time_for_are_not_enqueued_again_in_part(site):
    said = site.project.run("shell", "-v0", "-c", MANY).output

    assert "0 enqueued" in said, said
    assert "At most 2 failed tasks are enqueued again at once. None of these was" in said


#: Three that have failed, and an SQS that is away.
AWAY = (
    MANY.replace("page.MOST = 2", "")
    + """
chosen = [TaskRecord.objects.create(id=f"gone-{n}", **(task | {"task": "no.such"}), **more).pk
          for n in range(3)]
request._messages = CookieStorage(request)
admin.site.get_model_admin(TaskRecord).enqueue_again(
    request, written(TaskRecord).filter(pk__in=chosen))
print(*request._messages, sep="\\n")
written(TaskRecord).filter(pk__in=chosen).delete()
"""
)


def test_an_sqs_that_is_away_keeps_nobody_waiting_for_each_task(site):
    done = site.project.run("shell", "-v0", "-c", AWAY, TEST_SQS_ENDPOINT_URL="http://127.0.0.1:9")

    assert done.output.count("The tasks after it were not tried.") == 1, done.output
    assert done.output.count("tests.site.shop.tasks.add: Cannot reach SQS") == 1
    # A reason is told once, however many tasks it is of.
    assert "no.such: its task no.such is no longer part of this project (3 x)" in done.output


@pytest.fixture
def sqs_count(site):
    import boto3

    client = boto3.client(
        "sqs",
        endpoint_url=site.sqs.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )

    def count(name):
        url = client.get_queue_url(QueueName=f"{site.project.prefix}__{name}")["QueueUrl"]
        wanted = "ApproximateNumberOfMessages"
        found = client.get_queue_attributes(QueueUrl=url, AttributeNames=[wanted])
        return int(found["Attributes"][wanted])

    return count


def test_an_sqs_that_is_slow_does_not_keep_the_page_until_its_web_server_gives_it_up(site):
    slow = MANY.replace("page.MOST = 2", "page.ENOUGH = 0.0").replace("tests.site.shop", "gone")
    said = site.project.run("shell", "-v0", "-c", slow).output

    assert said.count("its task gone.tasks.add is no longer part of this project") == 1, said
    assert "SQS is slow: 2 tasks were not tried, from many-" in said
