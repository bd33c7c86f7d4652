"""What KMS throttles, which botocore does not know."""

import time

import pytest

from django_sqs_kombu import RequestFailed
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

MODES = ["legacy", "standard", "adaptive"]
CODES = ["KMS.ThrottlingException", "KmsThrottled"]


@pytest.fixture
def sender(scripted):
    """Requests whose botocore tries again, in one of its modes."""

    def make(mode, **retries):
        given = {"retries": {"mode": mode, **retries}}
        account = Account(
            {"region": "us-east-1", "client-config": given},
            access_key_id="k",
            secret_access_key="s",
            endpoint=scripted.url,
        )
        requests = Requests(account)
        requests.url("orders")
        return requests

    return make


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(0))


def throttled(code):
    return 400, {"__type": f"com.amazonaws.sqs#{code}", "message": "Rate exceeded"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("bodies", ["a", "ab"])
def test_what_kms_throttles_for_a_moment_is_sent(sender, scripted, mode, code, bodies):
    """It failed at the second try."""
    operation = "SendMessage" if len(bodies) == 1 else "SendMessageBatch"

    def answer(asked):
        if scripted.counts[operation] < 4:
            return throttled(code)
        sent = [{"Id": str(number), "MessageId": "m"} for number in range(len(bodies))]
        return {"MessageId": "m"} if len(bodies) == 1 else {"Successful": sent}

    scripted.answers[operation] = answer
    batch = [{"MessageBody": body} for body in bodies]

    results = sender(mode, total_max_attempts=4).send_batch("orders", batch)

    assert results == [None] * len(bodies)
    assert scripted.counts[operation] == 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", CODES)
def test_its_own_code_is_told(sender, scripted, mode, code):
    scripted.answers["SendMessage"] = throttled(code)

    with pytest.raises(RequestFailed) as raised:
        sender(mode, total_max_attempts=2).send_batch("orders", [{"MessageBody": "a"}])

    assert raised.value.code == code
    assert raised.value.passing
    # The first of three may be over libcurl.
    assert scripted.counts["SendMessage"] in (2, 3)
