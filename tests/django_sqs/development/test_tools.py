"""sqs_local, sqs_bench and runreceiver --reload: tools for those who develop."""

import http.client
import json
import os
import re
import signal
import socket
import sys
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from django.core.management import CommandError

import django_sqs
from django_sqs_kombu import Receivers

from ...processes import ROOT, Process
from ..commands import as_json, run

#: What the commands do hardly depends on versions.
pytestmark = pytest.mark.slow


@pytest.fixture
def start_local(project, eventually, tmp_path):
    def start_local(*arguments):
        state = tmp_path / "state.json"
        process = project.start("sqs_local", "--port=0", f"--state={state}", *arguments)
        url = eventually(
            lambda: re.search(r'SQS_ENDPOINT_URL = "(\S+)"', process.output), timeout=30
        )[1]
        client = boto3.client(
            "sqs",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        return process, client, state

    return start_local


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_local_remembers_its_queues(start_local, eventually, number):
    process, client, state = start_local()
    dead = client.create_queue(QueueName="z-dead")["QueueUrl"]
    attributes = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": attributes["Attributes"]["QueueArn"],
        "maxReceiveCount": "3",
    }
    client.create_queue(
        QueueName="a-queue",
        Attributes={"VisibilityTimeout": "77", "RedrivePolicy": json.dumps(policy)},
        tags={"team": "shop"},
    )
    client.create_queue(QueueName="b.fifo", Attributes={"FifoQueue": "true"})
    eventually(lambda: state.exists() and "b.fifo" in state.read_text())
    process.signal(number)
    process.wait(20)

    _, client, _ = start_local()

    names = [url.rpartition("/")[2] for url in client.list_queues()["QueueUrls"]]
    assert sorted(names) == ["a-queue", "b.fifo", "z-dead"]
    url = client.get_queue_url(QueueName="a-queue")["QueueUrl"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["VisibilityTimeout"] == "77"
    assert json.loads(found["RedrivePolicy"])["deadLetterTargetArn"].endswith(":z-dead")
    assert client.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "shop"}


def test_local_serves_plain_kombu_without_a_project(eventually, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    del env["DJANGO_SETTINGS_MODULE"]
    process = Process([sys.executable, "-m", "django_sqs.local", "--port=0", "--state="], env)
    try:
        port = eventually(lambda: re.search(r":(\d+)\"", process.output), timeout=30)[1]
        receivers = Receivers(f"sqs-batch://any:any@127.0.0.1:{port}", prefix="example")
        got = []
        receivers.register("orders", lambda message: got.append(message.get_body()))
        receivers.send("orders", body="one")
        receivers.get("orders").receive_loop(message_limit=1)
        receivers.close()
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    finally:
        process.end()

    assert got == ["one"]


def test_local_says_of_what_it_lacks_that_it_is_not_supported(start_local):
    process, client, _ = start_local()
    arn = "arn:aws:sqs:us-east-1:123456789012:dead"

    with pytest.raises(ClientError) as raised:
        client.start_message_move_task(SourceArn=arn)

    assert raised.value.response["Error"]["Code"].endswith("UnsupportedOperation")
    assert raised.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    assert "Traceback" not in process.output


def test_local_hides_nothing_for_a_poll_whose_client_is_gone(start_local):
    _, client, _ = start_local()
    queue = client.create_queue(QueueName="orders")["QueueUrl"]
    place = urlsplit(client.meta.endpoint_url)
    asked = json.dumps({"QueueUrl": queue, "WaitTimeSeconds": 20})
    gone = http.client.HTTPConnection(place.hostname, place.port)
    headers = {
        "X-Amz-Target": "AmazonSQS.ReceiveMessage",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request",
    }
    gone.request("POST", "/", asked, headers)
    # It polls when another request has been answered.
    client.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    gone.close()

    client.send_message(QueueUrl=queue, MessageBody="one")
    client.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])

    found = client.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
    assert [each["Body"] for each in found["Messages"]] == ["one"]


def test_local_says_why_it_cannot_start(project, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = project.run("sqs_local", f"--port={port}", "--state=")
    assert process.wait() == 1
    assert "Address already in use" in process.output
    broken = tmp_path / "broken.json"
    broken.write_text("no JSON")

    process = project.run("sqs_local", "--port=0", f"--state={broken}")

    assert process.wait() == 1
    assert "is not a file of queue definitions" in process.output


def test_bench_measures_and_leaves_nothing(sqs, prefix):
    found = as_json("sqs_bench", "--messages=60", "--threads=4")

    assert found["messages"] == 60
    assert found["send_requests"] == 6
    # Full polls, one that ends them, and full deletes, give or take those cut short by time.
    assert 12 <= found["receive_requests"] <= 30
    assert found["requests_per_message"] == round((6 + found["receive_requests"]) / 60, 4)
    urls = sqs.list_queues(QueueNamePrefix=f"{prefix}__sqs-bench").get("QueueUrls", [])
    assert urls == []
    assert "sqs-bench" not in django_sqs.queues
    assert "A million messages" in run("sqs_bench", "--messages=10", "--threads=1")


@pytest.mark.parametrize("option", ["--messages=0", "--threads=0", "--size=0"])
def test_bench_refuses_what_cannot_be_measured(option):
    with pytest.raises(CommandError, match=option.partition("=")[0]):
        run("sqs_bench", option)


@pytest.fixture
def developing(project, tmp_path):
    """A project whose receiver is in a file that a test may change."""
    folder = tmp_path / "developed"
    folder.mkdir()
    project.env["PYTHONPATH"] = str(tmp_path)
    project.env["TEST_EXTRA_APP"] = "developed"
    # What is printed is seen at once all the same.
    del project.env["PYTHONUNBUFFERED"]
    (folder / "__init__.py").write_text("")

    def write(says):
        (folder / "receivers.py").write_text(
            "import django_sqs\n@django_sqs.receiver('developed')\n"
            f"def receive(message): print({says})\n"
        )

    return write


@pytest.fixture
def heard_hangup():
    """Whoever runs the tests may ignore SIGHUP, as nohup does, and what is started would, too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard_hangup")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_reloader_leaves_no_worker_behind(developing, project, eventually, number):
    """Started by Django's own module, too."""
    developing("'first', message.get_body()")
    command = [sys.executable, "-m", "django", "runreceiver", "developed", "--reload"]
    reloader = Process(command, {**project.env, "DJANGO_SETTINGS_MODULE": "tests.site.settings"})
    project.add(reloader)
    eventually(lambda: "Receiving from queue developed" in reloader.output, timeout=30)
    [worker] = children_of(reloader.pid)

    reloader.signal(number)

    eventually(lambda: not os.path.exists(f"/proc/{worker}"), timeout=30)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def test_reload(developing, project, eventually, sqs, prefix):
    developing("'first', message.get_body()")
    worker = project.start("runreceiver", "developed", "--reload")
    url = sqs.create_queue(QueueName=f"{prefix}__developed")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="YQ==")
    eventually(lambda: "first a" in worker.output, timeout=30)

    developing("'second', message.get_body()")
    eventually(lambda: worker.output.count("Receiving from queue developed") == 2, timeout=30)
    sqs.send_message(QueueUrl=url, MessageBody="Yg==")
    eventually(lambda: "second b" in worker.output, timeout=30)

    developing("a syntax error")
    eventually(lambda: "SyntaxError" in worker.output, timeout=30)
    developing("'third', message.get_body()")
    sqs.send_message(QueueUrl=url, MessageBody="Yw==")
    eventually(lambda: "third c" in worker.output, timeout=30)
    worker.signal(signal.SIGTERM)

    assert worker.wait(20) == 0
