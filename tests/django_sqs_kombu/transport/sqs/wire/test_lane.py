"""Lane: SQS's frequent requests over libcurl are what botocore's would have been."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from django_sqs_kombu import (
    AccessDenied,
    ConfigurationError,
    CredentialsMissing,
    EndpointUnreachable,
    RequestFailed,
)
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
from django_sqs_kombu.transport.sqs.wire import choice, fitness

from ..conftest import QUEUE_URL

ATTRIBUTES = {
    "n": {"DataType": "Number", "StringValue": "5"},
    "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
MESSAGE = {"MessageId": "m", "ReceiptHandle": "h", "Body": "b"}


def over_curl(headers):
    return "amz-sdk-invocation-id" not in headers


@pytest.fixture
def asked_over(scripted):
    """Over what the requests of an operation came."""

    def asked_over(operation):
        pairs = zip(scripted.asked, scripted.headers, strict=True)
        found = [headers for (each, _), headers in pairs if each == operation]
        return ["curl" if over_curl(headers) else "botocore" for headers in found]

    return asked_over


def test_what_is_sent_is_what_is_received(server, sqs, prefix):
    options = {"region": "us-east-1"}
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=server.url)
    requests = Requests(account)
    sqs.create_queue(QueueName=prefix)
    body = 'é€😀\u2028"\\\n'
    assert requests.send_batch(
        prefix, [{"MessageBody": body, "MessageAttributes": ATTRIBUTES}]
    ) == [None]

    [message] = requests.receive(prefix, 10, 1, 30)

    assert message["Body"] == body
    assert message["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\xff"
    assert message["MessageAttributes"]["n"]["StringValue"] == "5"
    assert requests.change_visibility_batch(prefix, [message], [30]) == [None]
    assert requests.delete_batch(prefix, [message]) == [None]


@pytest.mark.parametrize("wire", ["auto", "botocore"])
def test_the_frequent_requests_go_over_curl_unless_it_is_told_otherwise(scripted, asked_over, wire):
    options = {"region": "us-east-1", "wire": wire}
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    scripted.answers = {"SendMessage": {"MessageId": "m"}, "ReceiveMessage": {"Messages": []}}
    requests = Requests(account)

    requests.send_batch("orders", [{"MessageBody": "b"}])
    requests.receive("orders", 1, 0, None)

    over = ["curl" if wire == "auto" else "botocore"]
    assert asked_over("SendMessage") == asked_over("ReceiveMessage") == over
    assert asked_over("GetQueueUrl") == over


def test_another_wire_is_told_when_the_account_is_made():
    with pytest.raises(ConfigurationError, match="wire is 'pigeon': it must be 'auto' or 'botocor"):
        Account({"wire": "pigeon"})


def test_what_stands_in_for_a_client_of_boto3s_is_used(monkeypatch):
    class Client:
        def send_message(self, **params):
            return {"MessageId": params["MessageBody"]}

    account = Account({"region": "us-east-1"}, access_key_id="k", secret_access_key="s")
    account.urls["orders"] = QUEUE_URL
    monkeypatch.setattr(account, "client", lambda queue, *, once=False: Client())
    monkeypatch.setattr(account, "_client", lambda kind, identity: Client())

    assert Requests(account).send_batch("orders", [{"MessageBody": "b"}]) == [None]


def test_without_pycurl_everything_goes_over_botocore(
    scripted, account, asked_over, monkeypatch, caplog
):
    monkeypatch.setattr(choice, "HAS_CURL", False)
    fitness.say_why.cache_clear()
    caplog.set_level("INFO", "django_sqs_kombu")
    scripted.answers = {"SendMessage": {"MessageId": "m"}, "ReceiveMessage": {"Messages": []}}
    requests = Requests(account)

    requests.send_batch("orders", [{"MessageBody": "b"}])
    requests.receive("orders", 1, 0, None)

    assert asked_over("SendMessage") == asked_over("ReceiveMessage") == ["botocore"]
    assert caplog.text.count("sent by botocore, because pycurl cannot be imported") == 1


@pytest.mark.parametrize("event", ["before-call.sqs", "request-created.sqs.SendMessage"])
def test_a_handler_that_is_registered_later_finds_botocore(
    scripted, account, asked_over, eventually, event
):
    scripted.answers = {"SendMessage": {"MessageId": "m"}}
    requests = Requests(account)
    requests.send_batch("orders", [{"MessageBody": "b"}])
    seen = []
    events = account.client("orders").meta.events

    def hear(**kwargs):
        seen.append(kwargs)

    def sent_over():
        requests.send_batch("orders", [{"MessageBody": "b"}])
        return asked_over("SendMessage")[-1]

    events.register(event, hear)
    eventually(lambda: sent_over() == "botocore", timeout=5)
    assert asked_over("SendMessage")[0] == "curl"
    assert seen
    events.unregister(event, hear)
    eventually(lambda: sent_over() == "curl", timeout=5)


def test_handlers_are_looked_for_again_only_when_others_came_or_went(account, monkeypatch):
    looked = []
    client = account.client("orders")
    look = fitness.Fitness(client)
    handlers = fitness._handlers
    monkeypatch.setattr(fitness, "_handlers", lambda *of: looked.append(of) or handlers(*of))
    assert look.unfit() is None
    assert looked
    looked.clear()
    assert look.unfit() is None
    assert not looked

    client.meta.events.register("before-call.sqs", lambda **kwargs: None)

    assert "before-call" in look.unfit()
    assert looked
    assert "before-call" in look.unfit()


def test_a_method_of_botocores_that_was_replaced_is_called(
    scripted, account, asked_over, monkeypatch
):
    from botocore.client import BaseClient

    original = BaseClient._make_api_call
    monkeypatch.setattr(BaseClient, "_make_api_call", lambda *args: original(*args))
    scripted.answers = {"SendMessage": {"MessageId": "m"}}

    Requests(account).send_batch("orders", [{"MessageBody": "b"}])

    assert asked_over("SendMessage") == ["botocore"]


def test_a_handler_before_the_send_may_answer(scripted, account):
    from botocore.awsrequest import AWSResponse

    class Raw:
        def stream(self):
            yield b'{"MessageId": "m"}'

    def answer(request, **kwargs):
        assert request.method == "POST"
        assert request.headers["X-Amz-Target"] == "AmazonSQS.SendMessage"
        assert b'"MessageBody":"b"' in request.body
        return AWSResponse(request.url, 200, {}, Raw())

    scripted.answers["SendMessage"] = {"MessageId": "m"}
    requests = Requests(account)
    account.urls["orders"] = QUEUE_URL
    for _ in range(2):
        # It is heard at once, though there was none before.
        requests.send_batch("orders", [{"MessageBody": "b"}])
    scripted.asked.clear()
    events = account.client("orders").meta.events
    events.register("before-send.sqs", answer)

    assert requests.send_batch("orders", [{"MessageBody": "b"}]) == [None]
    assert scripted.asked == []
    events.unregister("before-send.sqs", answer)
    assert requests.send_batch("orders", [{"MessageBody": "b"}]) == [None]
    assert [operation for operation, _ in scripted.asked] == ["SendMessage"]


def test_motos_mock_answers(monkeypatch):
    script = """
import boto3, moto
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
with moto.mock_aws():
    boto3.client("sqs", "us-east-1").create_queue(QueueName="orders")
    requests = Requests(Account({"region": "us-east-1"}))
    assert requests.send_batch("orders", [{"MessageBody": "b"}]) == [None]
    print(requests.receive("orders", 10, 0, 30)[0]["Body"])
"""
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.stdout == "b\n", ran.stderr


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "com.amazonaws.sqs#QueueDoesNotExist", RequestFailed),
        (403, "AccessDenied", AccessDenied),
        (400, "InvalidParameterValue", RequestFailed),
    ],
)
def test_a_refusal_is_told_once_as_botocore_tells_it(scripted, requests, status, code, kind):
    scripted.answers["ReceiveMessage"] = status, {"__type": code, "message": "No"}

    with pytest.raises(kind) as told:
        requests.receive("orders", 1, 0, None)

    assert told.value.code == code.partition("#")[2] or told.value.code == code
    assert scripted.counts["ReceiveMessage"] == 1


def test_a_refusal_of_a_send_is_not_asked_for_twice(scripted, requests):
    scripted.answers["SendMessage"] = 403, {"__type": "AccessDenied", "message": "No"}

    with pytest.raises(AccessDenied):
        requests.send_batch("orders", [{"MessageBody": "b"}])
    assert scripted.counts["SendMessage"] == 1


def test_what_fails_is_tried_again_by_botocores_rules(scripted, asked_over):
    options = {"client-config": {"retries": {"total_max_attempts": 2, "mode": "standard"}}}
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    answers = iter([(500, {}), (500, {}), {"MessageId": "m"}])
    scripted.answers["SendMessage"] = lambda params: next(answers)

    assert Requests(account).send_batch("orders", [{"MessageBody": "b"}]) == [None]
    assert asked_over("SendMessage") == ["curl", "botocore", "botocore"]


def test_a_poll_that_fails_is_told_at_once(scripted, requests):
    scripted.answers["ReceiveMessage"] = 500, {}

    with pytest.raises(RequestFailed) as told:
        requests.receive("orders", 1, 0, None)

    assert told.value.passing
    assert scripted.counts["ReceiveMessage"] == 1


def test_nobody_at_the_endpoint_is_told_with_the_endpoint():
    account = Account(
        {"client-config": {"retries": {"total_max_attempts": 1}}},
        access_key_id="k",
        secret_access_key="s",
        endpoint="http://127.0.0.1:9",
    )
    account.urls["orders"] = QUEUE_URL

    with pytest.raises(EndpointUnreachable, match=r"http://127\.0\.0\.1:9"):
        Requests(account).receive("orders", 1, 0, None)


def test_without_credentials_nothing_is_sent(scripted, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    account = Account({"region": "us-east-1"}, endpoint=scripted.url)
    account.urls["orders"] = QUEUE_URL

    with pytest.raises(CredentialsMissing):
        Requests(account).receive("orders", 1, 0, None)
    assert scripted.asked == []


def test_the_token_of_temporary_credentials_is_sent(scripted):
    options = {"session_token": "the-token"}
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    scripted.answers["SendMessage"] = {"MessageId": "m"}

    Requests(account).send_batch("orders", [{"MessageBody": "b"}])

    assert scripted.headers[-1]["X-Amz-Security-Token"] == "the-token"
    assert "x-amz-security-token" in scripted.headers[-1]["Authorization"]


def test_a_role_is_renewed_for_the_frequent_requests_too(scripted, asked_over):
    options = {
        "region": "us-east-1",
        "sts_role_arn": "arn:aws:iam::1:role/r",
        "sts_endpoint_url": scripted.url,
    }
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    scripted.answers["SendMessage"] = {"MessageId": "m"}
    scripted.roles = [20, 900]
    requests = Requests(account)

    for _ in range(3):
        requests.send_batch("orders", [{"MessageBody": "b"}])

    assert scripted.keys[-1] == "ROLE2"
    assert asked_over("SendMessage") == ["curl"] * 3


def test_a_function_of_lambda_tells_its_trace(scripted, account, monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988;Sampled=1 é")
    scripted.answers["SendMessage"] = {"MessageId": "m"}

    Requests(account).send_batch("orders", [{"MessageBody": "b"}])

    assert scripted.headers[-1]["X-Amzn-Trace-Id"] == "Root=1-5759e988;Sampled=1%20%C3%A9"


def test_requests_name_boto3_as_their_sender(scripted, account):
    scripted.answers["SendMessage"] = {"MessageId": "m"}

    Requests(account).send_batch("orders", [{"MessageBody": "b"}])

    found = scripted.headers[-1]
    assert "Boto3/" in found["User-Agent"]
    assert found["X-Amz-Target"] == "AmazonSQS.SendMessage"
    assert found["Expect"] is None


def test_a_large_batch_does_not_wait_for_a_permission_to_be_sent(scripted, account):
    scripted.answers["SendMessageBatch"] = {
        "Successful": [{"Id": str(n), "MessageId": "m"} for n in range(10)]
    }
    requests = Requests(account)
    requests.url("orders")
    started = time.monotonic()

    requests.send_batch("orders", [{"MessageBody": '"' * 104_000}] * 10)

    # libcurl would wait for 1 s.
    assert time.monotonic() - started < 0.9


def test_an_answer_that_does_not_come_is_waited_for_as_long_as_the_client_says(scripted):
    never = threading.Event()
    scripted.answers["DeleteMessageBatch"] = lambda params: never.wait(20)
    config = {"read_timeout": 0.3, "connect_timeout": 0.3}
    account = Account(
        {"client-config": config}, access_key_id="k", secret_access_key="s", endpoint=scripted.url
    )
    started = time.monotonic()

    with pytest.raises(EndpointUnreachable, match="Read timeout"):
        Requests(account).delete_batch("orders", [MESSAGE])

    assert time.monotonic() - started < 5
    assert scripted.counts["DeleteMessageBatch"] == 1
    never.set()


def test_a_forked_child_leaves_its_parents_connections_alone(scripted, account):
    scripted.answers = {"SendMessage": {"MessageId": "m"}, "ReceiveMessage": {"Messages": []}}
    requests = Requests(account)
    requests.send_batch("orders", [{"MessageBody": "b"}])
    requests.receive("orders", 1, 0, None)

    child = os.fork()
    if not child:
        status = 1
        try:
            requests.send_batch("orders", [{"MessageBody": "b"}])
            requests.receive("orders", 1, 0, None)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert status == 0
    requests.send_batch("orders", [{"MessageBody": "b"}])
    requests.receive("orders", 1, 0, None)
    assert scripted.counts["SendMessage"] == scripted.counts["ReceiveMessage"] == 3


def test_ctrl_c_ends_a_poll_in_the_main_thread(scripted, account):
    never = threading.Event()

    def interrupt(params):
        os.kill(os.getpid(), signal.SIGINT)
        never.wait(30)

    scripted.answers["ReceiveMessage"] = interrupt
    requests = Requests(account)
    requests.url("orders")
    started = time.monotonic()

    with pytest.raises(KeyboardInterrupt):
        requests.receive("orders", 1, 20, None)

    assert time.monotonic() - started < 10
    never.set()


@pytest.mark.skipif(not importlib.util.find_spec("gevent"), reason="gevent is not installed")
def test_greenlets_go_on_while_one_waits_for_sqs(scripted):
    script = f"""
from gevent import monkey; monkey.patch_all()
import gevent, time
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
requests = Requests(Account({{"region": "us-east-1"}}, access_key_id="k", secret_access_key="s",
    endpoint={scripted.url!r}))
requests.url("orders")
ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.05)
gevent.spawn(tick)
requests.send_batch("orders", [{{"MessageBody": "b"}}])
print(len(ticks) > 5)
"""

    def slow(params):
        time.sleep(1)
        return {"MessageId": "m"}

    scripted.answers["SendMessage"] = slow
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert ran.stdout == "True\n", ran.stderr
