"""A failed message that is edited in Chromium differs in nothing but what was edited."""

import boto3
import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_FAILURES": "yes"}
ROWS = "/admin/django_sqs_failures/failure/"

MADE = """
from django.utils import timezone
import django_sqs
from django_sqs.failures.models import Failure, FailureGroup
now = timezone.now()
group, _ = FailureGroup.objects.get_or_create(
    fingerprint="e", queue_name="raw", defaults={"first_seen": now, "last_seen": now})
row = Failure.objects.create(
    group=group, queue_name="raw", full_name=django_sqs.queues["raw"].full_name(),
    message_id="e", receipt=BODY, body=BODY, text=BODY, failed_at=now)
print(f"row {row.pk}.")
"""


@pytest.mark.parametrize("body", ["\n\na\nb\n", "a\r\nb\r\n"])
def test_its_line_breaks_stay_as_they_were(body, site, open_page):
    said = site.project.run("shell", "-v0", "-c", MADE.replace("BODY", repr(body))).output
    key = said.rpartition("row ")[2].partition(".")[0]
    page = open_page(f"{ROWS}{key}/change/")
    page.click("text=Edit and send")
    page.press("#sqs-text", "Control+End")
    page.type("#sqs-text", "c")
    page.click("text=Send this instead")

    page.wait_for_selector("text=Sent again: 1 message.")
    sqs = boto3.client(
        "sqs",
        endpoint_url=site.sqs.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )
    url = sqs.get_queue_url(QueueName=f"{site.project.prefix}__raw")["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == f"{body}c"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
