"""Functions whose event source mapping has no ReportBatchItemFailures, and the function's end."""

import threading
import time
from typing import ClassVar

import pytest

from django_sqs_kombu import (
    BigMessage,
    ConfigurationError,
    Middleware,
    Receivers,
    Retry,
    SQSError,
    lambda_handler,
)
from django_sqs_kombu.aws_lambda import NotAllDone
from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.transport.holding.note import Note
from django_sqs_kombu.transport.sqs.waits import answered_by

from ...event_source import Context, EventSource


@pytest.fixture
def unreported(new_source, receivers):
    return new_source(receivers, report=False)


@pytest.fixture(params=["libcurl", "botocore"])
def beyond_proxy(request, proxy, prefix, transport_options):
    """A registry behind a proxy, over each of the two ways to SQS."""
    options = {**transport_options, "endpoint_url": proxy.url}
    if request.param == "botocore":
        options["wire"] = "botocore"
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@", prefix=prefix, transport_options=options
    )
    yield receivers
    proxy.heal()
    receivers.close()


def test_one_that_fails_is_raised_when_those_that_are_done_are_deleted(
    receivers, unreported, counts
):
    seen = []

    def receive(message):
        seen.append(message.get_body())
        if message.get_body() in ("3", "11"):
            raise ValueError(message.get_body())

    name = receivers.register("orders", receive, retry=Retry(tries=5, backoff=600)).full_name()
    receivers.send_many("orders", [str(n) for n in range(12)])
    records = unreported.receive(name) + unreported.receive(name)

    with pytest.raises(NotAllDone, match="2 message") as caught:
        unreported.give(name, records)

    by_body = {each["messageId"]: seen[n] for n, each in enumerate(records)}
    assert sorted(by_body[each] for each in caught.value.ids) == ["11", "3"]
    assert counts(name) == (0, 2, 0)


def test_where_all_are_done_lambda_deletes_them(receivers, unreported, counts, server):
    name = receivers.register("orders", lambda message: None).full_name()
    receivers.send_many("orders", ["a", "b"])
    records = unreported.receive(name)

    handler = unreported._handler
    assert handler({"Records": records}, Context(30)) == {"batchItemFailures": []}

    assert server.count("DeleteMessageBatch", name) == 0
    assert counts(name) == (0, 2, 0)


def test_a_record_that_cannot_be_read_is_not_done_either(receivers, unreported, counts):
    name = receivers.register("orders", lambda message: None).full_name()
    receivers.send_many("orders", ["a", "b"])
    records = unreported.receive(name)
    del records[0]["body"]

    with pytest.raises(NotAllDone):
        unreported.give(name, records)

    assert counts(name) == (0, 1, 0)


def fail_b(message):
    if message.get_body() == "b":
        raise ValueError


def test_what_is_done_is_deleted_before_middleware_may_use_up_the_time(
    receivers, unreported, server
):
    deleted = []

    class Exporting(Middleware):
        def resting(self, seconds):
            deleted.append(server.count("DeleteMessageBatch", name))

    receivers.middleware.append(Exporting())
    name = receivers.register("orders", fail_b, retry=Retry(tries=5, backoff=600)).full_name()
    receivers.send_many("orders", ["a", "b"])

    with pytest.raises(NotAllDone):
        unreported.give(name, unreported.receive(name))

    assert deleted == [1]


@pytest.mark.parametrize("fault", ["error 503", "half failed", "reset"])
def test_a_deletion_that_sqs_fails_once_is_tried_again(beyond_proxy, proxy, sqs, counts, fault):
    retry = Retry(tries=5, backoff=600)
    name = beyond_proxy.register("orders", fail_b, retry=retry).full_name()
    beyond_proxy.send_many("orders", ["a", "b", "c"])
    source = EventSource(sqs, lambda_handler(beyond_proxy, report=False))
    records = source.receive(name)
    proxy.set(fault, "DeleteMessageBatch", count=1)

    with pytest.raises(NotAllDone):
        source.give(name, records, seconds=10)

    assert counts(name) == (0, 1, 0)
    assert proxy.tried == 1
    source._handler.close()


def test_the_option_is_true_or_false(receivers):
    with pytest.raises(ConfigurationError, match="lambda_handler: report"):
        lambda_handler(receivers, report="no")


def test_no_request_outlasts_the_functions_time(beyond_proxy, proxy):
    queue = beyond_proxy.register("orders", None)
    beyond_proxy.send("orders", body="first")
    proxy.set("hung", "SendMessage")

    began = time.monotonic()
    with answered_by(began + 0.4), pytest.raises(RequestFailed):
        beyond_proxy.send("orders", body="second")

    assert time.monotonic() - began < 2
    proxy.heal()
    beyond_proxy.send("orders", body="third")
    assert queue.name == "orders"


@pytest.mark.parametrize("wire", ["auto", "botocore"])
def test_neither_many_messages_nor_s3_outlast_the_functions_time(
    proxy, prefix, transport_options, s3, wire
):
    options = {
        **transport_options,
        "endpoint_url": proxy.url,
        "s3_endpoint_url": proxy.url,
        "large_payload_bucket": prefix,
        "wire": wire,
    }
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@", prefix=prefix, transport_options=options
    )
    queue = receivers.register("orders", None)
    queue.send(body="first")
    proxy.set("hung", "SendMessageBatch", "S3 PUT")

    class Big(BigMessage):
        s3_options: ClassVar = {
            "endpoint_url": proxy.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing-secret",
        }

    for send in (
        lambda: queue.send_many(map(str, range(30))),
        lambda: queue.send(body="x" * 2_000_000),
        lambda: Big(s3_url=f"s3://{prefix}").encode("x"),
    ):
        began = time.monotonic()
        with answered_by(began + 0.3), pytest.raises(SQSError):
            send()
        assert time.monotonic() - began < 2
    proxy.heal()
    receivers.close()


def test_what_is_done_is_deleted_though_a_note_uses_up_the_time(receivers, unreported, counts):
    ended = threading.Event()

    class Hangs:
        def write(self, contents):
            ended.wait(10)

        def rest(self):
            pass

    class Notes(Middleware):
        def failing(self, settlement):
            settlement.delivery.also_note(Note(Hangs(), None))

    receivers.middleware.append(Notes())
    name = receivers.register("orders", fail_b, retry=Retry(tries=5, backoff=600)).full_name()
    receivers.send_many("orders", ["a", "b"])

    with pytest.raises(NotAllDone):
        unreported.invoke(name, seconds=2)
    ended.set()

    assert sum(counts(name)) == 1


def test_what_cannot_be_sent_to_the_dead_letters_in_time_is_reported(
    beyond_proxy, proxy, sqs, counts
):
    """It hangs in the reserve, when its receiver is done."""

    def fail(message):
        proxy.set("hung", "SendMessage", "SendMessageBatch")
        raise ValueError

    beyond_proxy.register("dead", None).get_queue()
    name = beyond_proxy.register(
        "orders", fail, dead_letter=(ValueError,), dead_letter_queue="dead", max_receives=5
    ).full_name()
    beyond_proxy.send("dead", body="made")
    beyond_proxy.send("orders", body="x")
    handler = lambda_handler(beyond_proxy)
    source = EventSource(sqs, handler)

    began = time.monotonic()
    assert len(source.invoke(name, seconds=2)) == 1

    assert time.monotonic() - began < 2.5
    assert counts(name)[:2] in ((0, 1), (1, 0))
    proxy.heal()
    handler.close()
