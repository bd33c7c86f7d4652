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
