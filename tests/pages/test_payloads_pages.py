"""Payloads in S3 in the admin: a look shows where they are, and their beginnings on request."""

import boto3
import pytest

from .conftest import shoot

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_BUCKET": "payloads-of-pages"}
QUEUE = "/admin/django_sqs_monitor/queuereport/queue/light/"
BEGINNING = "<b>The beginning</b> of what is long"
SEND = f"django_sqs.send('light', body={BEGINNING!r} + 'x' * 1_100_000)"


@pytest.fixture(autouse=True)
def large(site, send):
    """A message whose payload is in S3."""
    s3, sqs = (
        boto3.client(
            name,
            endpoint_url=site.sqs.url,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing-secret",
        )
        for name in ("s3", "sqs")
    )
    s3.create_bucket(Bucket=ENVIRONMENT["TEST_BUCKET"])
    url = sqs.create_queue(QueueName=f"{site.project.prefix}__light")["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    send(SEND)
    return s3


def test_a_look_shows_the_pointer_and_the_beginning_on_request(visit, large):
    session = visit("root")
    session.get(QUEUE)

    pointer = session.post(QUEUE + "peek/").text
    assert "payloads-of-pages" in pointer
    assert "The beginning" not in pointer
    assert "Show beginnings" in pointer
    begun = session.post(QUEUE + "peek/", payloads="yes").text

    assert "&lt;b&gt;The beginning&lt;/b&gt; of what is long" in begun
    assert "<b>The beginning" not in begun
    assert "payloads-of-pages" in begun
    # No more than its beginning is read, whatever its size.
    assert len(begun) < 50_000


def test_a_payload_that_is_gone_says_so(visit, large, site):
    for each in large.list_objects_v2(Bucket=ENVIRONMENT["TEST_BUCKET"])["Contents"]:
        large.delete_object(Bucket=ENVIRONMENT["TEST_BUCKET"], Key=each["Key"])
    session = visit("root")
    session.get(QUEUE)

    page = session.post(QUEUE + "peek/", payloads="yes")

    assert page.status == 200
    assert "cannot be read: it does not exist any more" in page.text


@pytest.mark.parametrize("width", [360, 1280])
def test_a_person_reads_the_beginning(open_page, tmp_path, width):
    page = open_page(QUEUE, width=width)

    page.click("button:text('Look at messages')")
    page.wait_for_selector("button:text('Show beginnings')")
    shoot(page, tmp_path, f"payload-{width}")
    page.click("button:text('Show beginnings')")
    page.wait_for_selector("text=<b>The beginning</b> of what is long")
    shoot(page, tmp_path, f"payload-beginning-{width}")

    assert page.errors == []
    assert not page.locator("button:text('Show beginnings')").count()
    overflow = page.evaluate("(s => s.scrollWidth - s.clientWidth)(document.querySelector('.sqs'))")
    assert overflow <= 0
