"""Fixtures: queues that are there, and ones that are not."""

import pytest

import django_sqs


@pytest.fixture
def attached(site, sqs, prefix, counts):
    """The project's queues on the test server; returns the visible count of one."""
    django_sqs.receivers.close()
    yield lambda name: counts(f"{prefix}__{name}")[0]
    django_sqs.receivers.close()


@pytest.fixture
def bodies(sqs, prefix):
    """Take the messages of a queue out of it: their envelopes' bodies, in order."""
    import json

    def bodies(name):
        url = sqs.get_queue_url(QueueName=f"{prefix}__{name}")["QueueUrl"]
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"])["body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return bodies
