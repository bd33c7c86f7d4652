"""Messages that are ticked where a queue is looked at are moved or deleted; no other is."""

import re

import boto3
import pytest

from .conftest import shoot

pytestmark = pytest.mark.slow

LIST = "/admin/django_sqs_monitor/queuereport/"
QUEUE = LIST + "queue/{}/"
#: As the wire format of the queue has "here".
HERE = "aGVyZQ=="


@pytest.fixture
def sqs(site):
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing-secret"}
    return boto3.client("sqs", endpoint_url=site.sqs.url, region_name="us-east-1", **keys)


@pytest.fixture
def bodies(site, sqs):
    """Take all messages of a queue, and return what they say."""

    def bodies(name):
        url = sqs.get_queue_url(QueueName=f"{site.project.prefix}__{name}")["QueueUrl"]
        found = []
        while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [re.sub(r'.*"body": ?"([^"]+)".*', r"\1", each["Body"]) for each in got]
            for each in got:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return sorted(found)

    return bodies


@pytest.fixture
def bury(site, sqs, send, bodies):
    """Put dead letters beside a queue."""

    def bury(*texts):
        send("django_sqs.send('watched', body='alive')")
        bodies("watched-dead")
        name = f"{site.project.prefix}__watched-dead"
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        for text in texts:
            sqs.send_message(QueueUrl=url, MessageBody=text)

    return bury


def test_dead_letters_that_are_ticked_are_moved_back(open_page, bury, bodies, tmp_path, visit):
    bury("one", "two", "three")
    page = open_page(QUEUE.format("watched"))
    page.click("button:text-is('Look at dead letters')")
    for text in ("one", "three"):
        page.check(f"tr:has(code:text-matches('{text}')) input[type=checkbox]")
    shoot(page, tmp_path, "chosen")

    page.click("button:text-is('Redrive chosen')")
    page.wait_for_selector("text=Move the 2 chosen dead letters of watched back into it?")
    # The form has a list of queues to move messages to, which is of another button.
    assert "To:" not in page.inner_text("#content-main")
    page.click("text=Yes, go on")
    page.wait_for_selector("text=Moved 2 of 2 chosen messages to watched.")

    assert page.errors == []
    assert bodies("watched-dead") == ["two"]
    assert set(bodies("watched")) >= {"one", "three"}
    assert "Moved 2 chosen dead letters back: " in visit("root").get(LIST + "watched/history/").text


def test_messages_that_are_ticked_are_deleted_or_moved(open_page, send, bodies):
    send("django_sqs.send_many('restart', ['a', 'b', 'c'])")
    page = open_page(QUEUE.format("restart"))
    for text, what, says in (
        ("a", "Delete chosen", "Deleted 1 of 1 chosen message."),
        ("b", "Move chosen", "Moved 1 of 1 chosen message to second."),
    ):
        page.click("button:text-is('Look at messages')")
        page.check(f"tr:has(code:text-matches('{text}')) input[type=checkbox]")
        page.select_option("#sqs-chosen-target", "second")
        page.click(f"button:text-is('{what}')")
        page.click("text=Yes, go on")
        page.wait_for_selector(f"text={says}")

    assert bodies("restart") == ["c"]
    assert bodies("second") == ["b"]


def ids(page):
    return re.findall(r'name="id" value="([^"]+)"', page)


def test_who_may_do_what_with_those_that_are_ticked(visit, send, bodies):
    send("django_sqs.send('raw', body='here')")
    root = visit("root")
    root.get(QUEUE.format("raw"))
    [ticked] = ids(root.post(QUEUE.format("raw") + "peek/").text)

    for name, action, status in (
        ("reader", "delete-chosen", 403),
        ("reader", "move-chosen", 403),
        ("mover", "delete-chosen", 403),
        ("mover", "move-chosen", 200),
    ):
        session = visit(name)
        session.get(QUEUE.format("raw"))
        path = QUEUE.format("raw") + f"{action}/"
        assert session.get(path).status == 405
        assert session.post(path, id=ticked, target="second").status == status
    assert bodies("raw") == [HERE]


def test_nothing_that_is_ticked_is_said_and_nothing_is_done(visit, send, bodies):
    send("django_sqs.send('raw', body='here')")
    session = visit("root")
    session.get(QUEUE.format("raw"))

    done = session.post(QUEUE.format("raw") + "delete-chosen/")
    gone = session.post(QUEUE.format("raw") + "delete-chosen/", ids="nobody", confirmed="yes")

    assert "Choose messages first." in done.text
    assert "Deleted 0 of 1 chosen message. The others are" in gone.text
    assert bodies("raw") == [HERE]
