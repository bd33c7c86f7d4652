"""One project with schedules, batches, coroutines and Lambda, run as its users run it."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from .processes import ROOT, Process

FOLDER = ROOT / "examples" / "watch"
PAGES = 30

# It runs whole projects.
pytestmark = pytest.mark.slow

CALL = """
import json, sys
from handler import handler

class Context:
    def get_remaining_time_in_millis(self):
        return 30_000

print(json.dumps(handler(json.load(sys.stdin), Context())))
"""


@pytest.fixture
def environment(server, prefix, tmp_path):
    keep = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    return {
        **keep,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SQS_ENDPOINT_URL": server.url,
        "SQS_PREFIX": prefix,
        "DATABASE": str(tmp_path / "watch.sqlite3"),
        "WATCH_EVERY": "3",
        "PYTHONPATH": str(ROOT),
    }


def manage(environment, *arguments):
    process = Process([sys.executable, str(FOLDER / "manage.py"), *arguments], environment)
    assert process.wait(60) == 0, process.output


def test_pages_are_looked_at_in_each_slot(environment, server, sqs, prefix, eventually):
    urls = [f"https://example.com/{n}" for n in range(PAGES - 1)] + ["https://example.com/slow"]
    manage(environment, "migrate", "-v0")
    create = f"from pages.models import Page; [Page.objects.create(url=url) for url in {urls}]"
    manage(environment, "shell", "-v0", "-c", create)
    worker = Process(
        [sys.executable, str(FOLDER / "manage.py"), "runreceiver", "--coroutines=50"], environment
    )

    def slots():
        with closing(sqlite3.connect(environment["DATABASE"], timeout=20)) as database:
            rows = database.execute(
                "SELECT slot, count(*), sum(seconds > 2) FROM pages_look GROUP BY slot"
            ).fetchall()
        return [slow for _, count, slow in rows if count == PAGES]

    try:
        whole = eventually(lambda: len(slots()) >= 2 and slots(), timeout=60)
        worker.signal(signal.SIGTERM)
        assert worker.wait(30) == 0, worker.output
    finally:
        worker.end()
    assert whole == [1] * len(whole)
    looked = f"{prefix}__look"
    requests = server.count("SendMessageBatch", looked) + server.count("SendMessage", looked)
    # Ten looks to a request, in each slot and in those that the test has not waited for.
    assert requests <= PAGES / 10 * (len(whole) + 2)

    # What the worker left to the function.
    url = sqs.get_queue_url(QueueName=f"{prefix}__slow-pages")["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]
    event = {"Records": [record_of(message, f"{prefix}__slow-pages")]}
    called = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=FOLDER,
        env=environment,
        input=json.dumps(event),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert called.returncode == 0, called.stderr
    told, answer = called.stdout.splitlines()
    assert told.startswith("slow: https://example.com/slow took 2.")
    assert json.loads(answer) == {"batchItemFailures": []}


def record_of(message, queue):
    """A received message as AWS puts it into an event."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
        "awsRegion": "us-east-1",
    }
