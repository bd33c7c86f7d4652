"""LocalServer: what it remembers of queues, and what becomes of a file that is of no use."""

import json
import logging
import sys
from contextlib import ExitStack, contextmanager

import boto3
import pytest
from django.core.management import CommandError, call_command
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from django_sqs.development.local_server import LocalServer

REGIONS = ["us-east-1", "eu-central-1"]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state.json"


@contextmanager
def running(state):
    """A server whose queues are no other's, though moto is in this process."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        for region in REGIONS:
            patch.setattr(sqs_backends[DEFAULT_ACCOUNT_ID][region], "queues", {})
        server = LocalServer("127.0.0.1", 0, state)
        server.start()
        stack.callback(server.stop)
        yield server


def client_of(server, region="us-east-1"):
    return boto3.client(
        "sqs",
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


def attributes_of(client, name):
    url = client.get_queue_url(QueueName=name)["QueueUrl"]
    return client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def redrive_to(name):
    arn = f"arn:aws:sqs:us-east-1:{DEFAULT_ACCOUNT_ID}:{name}"
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})


def test_dead_letter_queues_that_have_their_own_are_made_again(state):
    with running(state) as server:
        client = client_of(server)
        # Not the order of the names; and a policy may lead back.
        client.create_queue(QueueName="c")
        client.create_queue(QueueName="b", Attributes={"RedrivePolicy": redrive_to("c")})
        client.create_queue(QueueName="a", Attributes={"RedrivePolicy": redrive_to("b")})
        url = client.get_queue_url(QueueName="c")["QueueUrl"]
        client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive_to("a")})

    with running(state) as server:
        client = client_of(server)
        found = {name: attributes_of(client, name)["RedrivePolicy"] for name in "abc"}

    assert found == {"a": redrive_to("b"), "b": redrive_to("c"), "c": redrive_to("a")}


def test_a_queue_whose_dead_letter_queue_was_deleted_is_made_without(state, caplog):
    with running(state) as server:
        client = client_of(server)
        dead = client.create_queue(QueueName="dead")["QueueUrl"]
        client.create_queue(
            QueueName="orders",
            Attributes={"RedrivePolicy": redrive_to("dead"), "VisibilityTimeout": "77"},
        )
        client.delete_queue(QueueUrl=dead)

    with running(state) as server:
        found = attributes_of(client_of(server), "orders")

    assert found["VisibilityTimeout"] == "77"
    assert "RedrivePolicy" not in found
    assert "Queue orders has no redrive policy any longer" in caplog.text


def test_all_that_a_queue_was_created_with_is_remembered(state):
    created = {
        "FifoQueue": "true",
        "ContentBasedDeduplication": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
        "SqsManagedSseEnabled": "false",
        "KmsMasterKeyId": "some",
        "KmsDataKeyReusePeriodSeconds": "600",
        "Policy": json.dumps({"Statement": [{"Sid": "some", "Effect": "Allow"}]}),
        "RedrivePolicy": redrive_to("dead.fifo"),
    }
    with running(state) as server:
        client = client_of(server)
        client.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})
        url = client.create_queue(QueueName="orders.fifo", Attributes=created)["QueueUrl"]
        server.keep()
        # It changes the policy.
        client.add_permission(
            QueueUrl=url, Label="one", AWSAccountIds=["123456789012"], Actions=["SendMessage"]
        )
        created["Policy"] = attributes_of(client, "orders.fifo")["Policy"]

    with running(state) as server:
        found = attributes_of(client_of(server), "orders.fifo")

    assert {name: found.get(name) for name in created} == created


def test_queues_of_all_regions_are_remembered(state):
    with running(state) as server:
        for region in REGIONS:
            client_of(server, region).create_queue(QueueName=f"of-{region}")

    with running(state) as server:
        for region in REGIONS:
            [url] = client_of(server, region).list_queues()["QueueUrls"]
            assert url.endswith(f"/of-{region}")


def test_a_file_that_names_no_region_is_of_the_first(state):
    state.write_text('[{"QueueName": "old", "Attributes": {}, "tags": {}}]')

    with running(state) as server:
        assert attributes_of(client_of(server), "old")["QueueArn"].split(":")[3] == "us-east-1"


def test_a_server_goes_on_when_its_file_cannot_be_written(tmp_path, caplog):
    state = tmp_path / "later" / "state.json"
    with running(state) as server:
        client_of(server).create_queue(QueueName="orders")
        server.keep()
        server.keep()

        warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "--state" in warnings[0].getMessage()
        # It is kept as soon as it can be.
        state.parent.mkdir()
        server.keep()
        assert "orders" in state.read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"QueueName": "a"}', "is not a file of queue definitions"),
        ('["a"]', "is not a file of queue definitions"),
        ('[{"QueueName": "a", "Attributes": {}, "Other": 1}]', "may have tags and Region"),
        (
            '[{"QueueName": "a", "Attributes": [], "Region": "x"}]',
            "Attributes .* must be a dict",
        ),
        ('[{"QueueName": "a b", "Attributes": {}}]', "queue 'a b'.*delete it to begin without"),
        ('[{"QueueName": "a", "Attributes": {"DelaySeconds": 5}}]', "delete it to begin without"),
    ],
)
def test_a_file_of_no_use_is_told_and_left_as_it_is(state, text, says):
    state.write_text(text)

    with pytest.raises(OSError, match=says), running(state):
        pass

    assert state.read_text() == text


def test_the_command_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "moto.moto_server", None)

    with pytest.raises(CommandError, match=r"pip install 'django-sqs\[local\]>=2'"):
        call_command("sqs_local", port=0)
