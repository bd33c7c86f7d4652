"""Request ids are in each error and in a line of the log for each request, over either wire."""

import queue

import pytest

from django_sqs_kombu import AccessDenied, RequestFailed
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

MESSAGES = [{"MessageId": n, "ReceiptHandle": n, "Body": "b"} for n in "01"]
DENIED = 403, {"__type": "AccessDenied", "message": "No"}


@pytest.fixture(params=["auto", "botocore"])
def requests(request, scripted):
    options = {
        "region": "us-east-1",
        "wire": request.param,
        "client-config": {"retries": {"total_max_attempts": 1}},
    }
    scripted.request_id = "1f2e-aa"
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    return Requests(account)


def asked(requests):
    return {
        "SendMessage": lambda: requests.send_batch("orders", [{"MessageBody": "b"}]),
        "SendMessageBatch": lambda: requests.send_batch("orders", [{"MessageBody": "b"}] * 2),
        "ReceiveMessage": lambda: requests.receive("orders", 1, 0, None),
        "DeleteMessage": lambda: requests.delete("orders", MESSAGES[0]),
        "DeleteMessageBatch": lambda: requests.delete_batch("orders", MESSAGES),
        "ChangeMessageVisibility": lambda: requests.change_visibility("orders", MESSAGES[0], 1),
        "ChangeMessageVisibilityBatch": lambda: requests.change_visibility_batch(
            "orders", MESSAGES, [1, 1]
        ),
    }


@pytest.mark.parametrize("operation", asked(None))
def test_a_refusal_tells_the_id_of_its_request(scripted, requests, operation):
    scripted.answers[operation] = DENIED

    with pytest.raises(AccessDenied) as told:
        asked(requests)[operation]()

    assert told.value.request_id == "1f2e-aa"
    assert str(told.value).endswith("(request 1f2e-aa)")
    copied = told.value.copy()
    assert str(copied) == str(told.value)
    assert (copied.request_id, copied.code) == ("1f2e-aa", "AccessDenied")


def test_it_stands_before_the_full_stop(scripted, requests):
    scripted.answers["SendMessage"] = 403, {"__type": "AccessDenied", "message": "Not you."}

    with pytest.raises(AccessDenied, match=r"Not you \(request 1f2e-aa\)\.$"):
        requests.send_batch("orders", [{"MessageBody": "b"}])


@pytest.mark.parametrize(
    "operation", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"]
)
def test_what_of_a_batch_is_refused_tells_it_too(scripted, requests, operation):
    failed = [{"Id": "1", "Code": "InvalidParameterValue", "SenderFault": True}]
    scripted.answers[operation] = {"Successful": [{"Id": "0", "MessageId": "m"}], "Failed": failed}

    first, second = asked(requests)[operation]()

    assert first is None
    assert second.request_id == "1f2e-aa"
    assert "(request 1f2e-aa)" in str(second)


@pytest.mark.parametrize("body", [b"<html>", {}])
def test_an_answer_that_says_nothing_tells_it_too(scripted, requests, body):
    scripted.answers["SendMessage"] = body

    with pytest.raises(RequestFailed) as told:
        requests.send_batch("orders", [{"MessageBody": "b"}])

    assert told.value.code == "NoAnswer"
    assert told.value.request_id == "1f2e-aa"


def test_without_an_answer_there_is_none(scripted, requests):
    requests.url("orders")
    scripted.request_id = None
    scripted.answers["SendMessage"] = DENIED

    with pytest.raises(RequestFailed) as told:
        requests.send_batch("orders", [{"MessageBody": "b"}])

    assert told.value.request_id is None
    assert "(request" not in str(told.value)


def test_an_id_is_cut(scripted, requests):
    scripted.request_id = "x" * 5_000
    scripted.answers["SendMessage"] = DENIED

    with pytest.raises(RequestFailed) as told:
        requests.send_batch("orders", [{"MessageBody": "b"}])

    assert len(told.value.request_id) < 150


def test_each_request_has_a_line_in_the_log_with_its_id(scripted, requests, caplog, eventually):
    caplog.set_level("DEBUG", "django_sqs_kombu")
    scripted.answers["SendMessage"] = {"MessageId": "m"}
    scripted.answers["DeleteMessage"] = DENIED
    entry = [{"MessageBody": "b"}]
    done = queue.SimpleQueue()

    requests.send_batch("orders", entry)
    with pytest.raises(AccessDenied):
        requests.delete("orders", MESSAGES[0])
    requests.begin_send("orders", entry, done.put)

    assert requests.read_sent("orders", entry, done.get(timeout=10)) == [None]
    answered = "SendMessage on queue orders was answered: request 1f2e-aa"
    eventually(lambda: caplog.text.count(answered) == 2, timeout=5)
    lines = [record.getMessage() for record in caplog.records]
    [failed] = [line for line in lines if line.startswith("DeleteMessage on queue orders failed")]
    assert failed.endswith("(request 1f2e-aa)")
    assert "GetQueueUrl on queue orders was answered: request 1f2e-aa" in lines


def test_a_begun_request_that_is_refused_tells_it(scripted, requests):
    scripted.answers["SendMessage"] = DENIED
    done = queue.SimpleQueue()

    requests.begin_send("orders", [{"MessageBody": "b"}], done.put)

    assert done.get(timeout=10).request_id == "1f2e-aa"
