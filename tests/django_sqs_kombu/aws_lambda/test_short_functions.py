"""Functions that have few seconds: what SQS cannot do at once is tried again while they last."""

import time

import pytest

from django_sqs_kombu import Receivers, RestartLater, lambda_handler
from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.transport.sqs.waits import answered_by

from ...event_source import EventSource


@pytest.fixture(params=["auto", "botocore"])
def short(request, proxy, prefix, transport_options):
    """A registry behind a proxy, over each of the two ways to SQS."""
    options = {**transport_options, "endpoint_url": proxy.url, "wire": request.param}
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@", prefix=prefix, transport_options=options
    )
    receivers.register("out", None)
    receivers.send("out", body="made")
    proxy.requests.clear()
    yield receivers
    proxy.heal()
    receivers.close()


@pytest.mark.parametrize(
    ("fault", "seconds"), [("error 503", 3), ("error 503", 10), ("throttled", 3), ("reset", 3)]
)
def test_one_failure_of_sqs_costs_a_receiver_no_message(
    short, proxy, sqs, counts, prefix, fault, seconds
):
    def pass_on(message):
        proxy.set(fault, "SendMessage", "SendMessageBatch", count=1)
        short.send("out", body="passed on")

    # A message that fails is deleted, since its queue has no redrive policy.
    name = short.register("orders", pass_on).full_name()
    short.send("orders", body="x")
    handler = lambda_handler(short)

    assert EventSource(sqs, handler).invoke(name, seconds=seconds) == []

    assert proxy.tried == 1
    assert counts(f"{prefix}__out")[0] == 2
    handler.close()


def test_what_fails_in_a_batch_is_tried_again_only_while_there_is_time(short, proxy, prefix):
    entries = [{"MessageBody": body} for body in "abc"]

    with short.new_connection() as connection:
        requests = connection.default_channel.requests
        # Whatever a first request takes.
        requests.send_batch(f"{prefix}__out", entries)
        proxy.set("half failed", "SendMessageBatch")
        with answered_by(time.monotonic() + 0.4):
            results = requests.send_batch(f"{prefix}__out", entries)

    assert [result is None for result in results] == [False, True, False]
    assert proxy.requests["SendMessageBatch"] == 2


def test_sqs_that_stays_away_is_asked_few_times(short, proxy):
    proxy.set("error 503", "SendMessage")
    began = time.monotonic()
    with answered_by(began + 3), pytest.raises(RequestFailed):
        short.send("out", body="x")

    assert time.monotonic() - began < 2
    assert proxy.tried == 3


def test_what_is_refused_is_not_tried_again(short, proxy):
    proxy.set("token expired", "SendMessage")
    with answered_by(time.monotonic() + 3), pytest.raises(RequestFailed):
        short.send("out", body="x")

    assert proxy.tried == 1


def test_what_was_deleted_on_receipt_and_cannot_be_sent_in_time_is_told(short, proxy, sqs, caplog):
    def restart(message):
        proxy.set("error 503", "SendMessage", "SendMessageBatch")
        raise RestartLater(delay=1)

    name = short.register("orders", restart, delete_on_start=True).full_name()
    short.send("orders", body="x")
    handler = lambda_handler(short)

    began = time.monotonic()
    EventSource(sqs, handler).invoke(name, seconds=3)

    assert time.monotonic() - began < 3
    assert "is lost" in caplog.text
    handler.close()


def test_events_with_large_payloads_take_no_longer_than_they_need(large, new_source, keys, caplog):
    """From the second on each took all the time that the function had, and up to a minute."""
    seen = []
    name = large.register("orders", lambda message: seen.append(message.get_body())).full_name()
    source = new_source(large)
    for number in range(1, 4):
        large.send("orders", body="x" * 1_100_000)
        began = time.monotonic()

        assert source.invoke(name, seconds=60, wait=5) == []

        assert time.monotonic() - began < 30
        assert len(seen) == number
        assert not keys()
    assert "were not deleted within" not in caplog.text
