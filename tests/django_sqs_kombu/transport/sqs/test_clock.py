"""A clock that is off is told as such, in one line, over either wire."""

import pytest

from django_sqs_kombu import AccessDenied, ClockIsOff
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests


@pytest.fixture(params=["auto", "botocore"])
def send(request, scripted):
    options = {
        "region": "us-east-1",
        "wire": request.param,
        "client-config": {"retries": {"total_max_attempts": 1}},
    }
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    requests = Requests(account)

    def send(code):
        scripted.answers["SendMessage"] = 403, {"__type": code, "message": "Signature expired"}
        requests.send_batch("orders", [{"MessageBody": "b"}])

    return send


@pytest.mark.parametrize(
    "code",
    [
        "SignatureDoesNotMatch",
        "RequestExpired",
        "InvalidSignature",
        "com.amazon.coral.service#InvalidSignatureException",
    ],
)
@pytest.mark.parametrize(("ahead", "way"), [(600, "behind"), (-7_200, "ahead of")])
def test_a_clock_that_is_off_is_told_as_such(scripted, send, code, ahead, way):
    scripted.ahead = ahead

    with pytest.raises(ClockIsOff) as told:
        send(code)

    assert told.value.seconds == pytest.approx(-ahead, abs=30)
    assert told.value.copy().seconds == told.value.seconds
    assert told.value.passing
    assert f"seconds {way} SQS's" in str(told.value)
    assert "NTP" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException"])
@pytest.mark.parametrize("ahead", [0, 100, -100])
def test_credentials_that_are_wrong_are_told_as_such(scripted, send, code, ahead):
    scripted.ahead = ahead

    with pytest.raises(AccessDenied, match="refuses the credentials") as told:
        send(code)

    assert not isinstance(told.value, ClockIsOff)


def test_another_refusal_is_not_the_clocks(scripted, send):
    scripted.ahead = 600

    with pytest.raises(AccessDenied, match="Access denied") as told:
        send("AccessDenied")

    assert not isinstance(told.value, ClockIsOff)
