"""Operators move, clear and look at queues, also where SQS answers strangely."""

import pytest

from django_sqs_kombu import RequestFailed, administration
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests


@pytest.fixture
def requests(server, sqs, prefix):
    account = Account(
        {"region": "us-east-1"},
        access_key_id="testing",
        secret_access_key="testing-secret",
        endpoint=server.url,
    )
    for name in ("source", "target"):
        sqs.create_queue(QueueName=f"{prefix}-{name}")
    return Requests(account)


@pytest.fixture
def names(prefix):
    return f"{prefix}-source", f"{prefix}-target"


def fill(requests, queue, count=3):
    requests.send_batch(queue, [{"MessageBody": str(number)} for number in range(count)])


@pytest.mark.parametrize(
    ("code", "own"), [("InternalError", False), ("InvalidClientTokenId", True)]
)
def test_what_is_moved_is_deleted_although_sqs_fails_for_a_moment(
    requests, names, server, counts, code, own
):
    source, target = names
    fill(requests, source)
    server.failed_entries["DeleteMessageBatch", source] = [[(0, code, own), (2, code, own)]]

    assert administration.move(requests, source, target, limit=10) == 3

    assert counts(source) == (0, 0, 0)
    assert counts(target) == (3, 0, 0)


def test_what_is_moved_and_cannot_be_deleted_is_told(
    requests, names, server, counts, caplog, monkeypatch
):
    monkeypatch.setattr(administration, "DELETE_PAUSES", (0.01,))
    source, target = names
    fill(requests, source)
    server.faults["DeleteMessageBatch", source] = (503, "ServiceUnavailable")

    assert administration.move(requests, source, target, limit=3) == 3

    del server.faults["DeleteMessageBatch", source]
    assert counts(source) == (0, 3, 0)
    assert caplog.text.count("was moved, but could not be deleted from queue") == 3


def test_clearing_tells_what_is_deleted_and_nothing_else(requests, names, server):
    source, _ = names
    fill(requests, source)
    server.failed_entries["DeleteMessageBatch", source] = [[(1, "InternalError", False)]]
    deleted = []

    assert list(administration.clear(requests, source, deleted.append)) == [2]

    assert [message["Body"] for message in deleted] == ["0", "2"]


def test_a_queue_with_an_odd_redrive_policy_is_an_error_of_ours(requests, names, server):
    source, _ = names
    server.answers["GetQueueAttributes", source] = {
        "Attributes": {"QueueArn": "arn", "RedrivePolicy": "[]"}
    }

    with pytest.raises(RequestFailed, match="not a redrive policy"):
        administration.dead_letter_queue(requests, source)

    del server.answers["GetQueueAttributes", source]
