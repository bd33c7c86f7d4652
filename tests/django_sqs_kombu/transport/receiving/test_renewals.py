"""A message whose receiver still runs is nobody else's, whatever renewals meet with."""

import time

import kombu
import pytest

from ....tally import Tally

#: Waits for leases and polls to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow


def test_one_odd_answer_to_a_renewal_does_not_end_all_renewals(
    fragile, proxy, tally, start, eventually, counts
):
    queue = fragile.register("orders", tally, visibility_timeout=3)
    fragile.send("orders", body="first 5")
    proxy.set("list", "ChangeMessageVisibilityBatch", count=1)

    start(fragile, threads=2)
    fragile.send("orders", body="second 7")
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0), timeout=25)

    assert tally.done == {"first 5", "second 7"}
    assert not tally.twice
    assert proxy.tried == 1


PASSING = ("error 503", "throttled", "token expired", "half failed", "HTML")


def test_a_renewal_that_fails_once_is_made_in_time(
    new_fragile, new_proxy, start, eventually, counts
):
    """Each failure has a queue of its own, side by side, since they wait most of the time."""
    tallies, queues, proxies = {}, [], []
    for number, mode in enumerate(PASSING):
        proxy, tally = new_proxy(), Tally()
        receivers = new_fragile(proxy)
        queue = receivers.register(f"orders{number}", tally, visibility_timeout=6)
        queue.send(body="long 9")
        proxy.set(mode, "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", count=1)
        tallies[mode] = tally
        queues.append(queue.full_name())
        proxies.append(proxy)
        start(receivers)

    eventually(lambda: all(counts(name) == (0, 0, 0) for name in queues), timeout=40)

    for mode, tally in tallies.items():
        assert tally.done == {"long 9"}, mode
        assert not tally.twice, mode
    assert all(proxy.tried for proxy in proxies)


def test_a_renewal_on_a_silent_connection_is_given_up_within_its_margin(
    fragile, proxy, tally, sqs, start, eventually
):
    """Two thirds of 60 s pass before a renewal, so 20 s must do for silence and another try."""
    queue = fragile.register("orders", tally)
    fragile.send("orders", body="x")
    with fragile.new_connection() as connection:
        channel = connection.default_channel
        channel.declare_lazily(queue.get_queue())
        delivery = channel.basic_get(queue.full_name())
        proxy.set("hung", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", count=1)
        began = time.monotonic()

        delivery.change_visibility(60)

        assert time.monotonic() - began < 15
        assert proxy.tried == 1
        delivery.ack()


def test_the_messages_of_a_late_answer_are_renewed_before_another_gets_them(
    fragile, receivers, proxy, tally, start, eventually, counts
):
    """SQS counts the visibility timeout from when it took the messages, not from the answer."""
    for registry in (fragile, receivers):
        queue = registry.register("orders", tally, visibility_timeout=8)
    fragile.send_many("orders", ["a 6", "b 6"])
    proxy.set("stalled", "ReceiveMessage", count=1, late=4.5)

    start(fragile, threads=2)
    eventually(lambda: counts(queue.full_name()) == (0, 2, 0))
    start(receivers, threads=2)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0), timeout=30)

    assert tally.done == {"a 6", "b 6"}
    assert not tally.twice


def test_a_visibility_timeout_that_was_lowered_at_run_time_is_heeded(receivers, sqs, counts):
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    connection = receivers.new_connection()
    held = []
    with connection, kombu.Consumer(connection, [kombu.Queue(name)], on_message=held.append):
        sqs.send_message(QueueUrl=url, MessageBody="first")
        connection.drain_events(timeout=5)
        held.pop().ack()
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2"})
        sqs.send_message(QueueUrl=url, MessageBody="second")
        connection.drain_events(timeout=5)
        time.sleep(5)

        assert counts(name)[:2] == (0, 1)
        held.pop().ack()


def test_the_message_of_a_cancelled_consumer_costs_no_cpu_and_no_requests(receivers, server, sqs):
    name = f"{receivers.prefix}__plain"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    with receivers.new_connection() as connection:
        consumer = kombu.Consumer(connection, [kombu.Queue(name)], on_message=lambda message: None)
        consumer.consume()
        connection.drain_events(timeout=5)
        consumer.cancel()
        time.sleep(2)
        asked = sum(server.requests.values())
        used = time.process_time()

        time.sleep(3)

        # It may be renewed: who took it may still ack it.
        assert sum(server.requests.values()) - asked <= 6
        assert time.process_time() - used < 1.5


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_message_held_for_all_that_sqs_hides_one_is_not_run_again_by_the_process_that_has_it(
    ahead, receivers, tally, start, eventually, counts, caplog, monkeypatch
):
    """Twelve hours are 8 seconds here; SQS's clock may be ahead of ours."""
    monkeypatch.setattr("django_sqs_kombu.transport.holding.held.MAX_VISIBILITY_TIMEOUT", 8)
    monkeypatch.setattr("tests.limits.MAX_VISIBILITY_TIMEOUT", 8 - ahead)
    queue = receivers.register("orders", tally, visibility_timeout=3)
    receivers.send("orders", body="long 14")

    start(receivers, threads=2)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0), timeout=30)

    assert tally.done == {"long 14"}
    assert not tally.twice
    assert "was held for 12 hours, the limit of SQS" in caplog.text
    assert "were not renewed, trying again" not in caplog.text
