"""Messages that are done stay so, however long SQS or S3 makes their deletion take."""

import time

import pytest

from django_sqs_kombu.transport.sending.trail import TRAIL, Trail

#: Waits for leases and polls to end; hardly depends on the versions of what is below.
pytestmark = pytest.mark.slow

BODIES = [str(number) for number in range(10)]


@pytest.mark.parametrize(
    ("mode", "how_long"),
    [
        ("error 503", {"seconds": 0.3}),
        ("error 503", {"seconds": 6}),
        ("token expired", {"count": 1}),
        ("throttled", {"seconds": 2}),
        ("KMS throttled", {"seconds": 2}),
        ("half failed", {"count": 2}),
        ("empty object", {"seconds": 1}),
        ("HTML", {"seconds": 1}),
    ],
)
def test_deletes_that_fail_for_a_while_make_nothing_run_again(
    mode, how_long, fragile, proxy, tally, start, eventually, counts
):
    queue = fragile.register("orders", tally, visibility_timeout=4)
    fragile.send_many("orders", BODIES)
    proxy.set(mode, "DeleteMessage", "DeleteMessageBatch", **how_long)

    start(fragile)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0), timeout=25)

    assert tally.done == set(BODIES)
    assert not tally.twice
    assert proxy.tried


def test_a_network_that_is_down_while_messages_are_done_makes_none_run_again(
    fragile, proxy, tally, start, eventually, counts
):
    queue = fragile.register("orders", tally, visibility_timeout=15)
    bodies = [f"{number} 0.3" for number in range(10)]
    fragile.send_many("orders", bodies)
    start(fragile, threads=4)
    eventually(lambda: tally.starts)

    proxy.set("down", seconds=4)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0), timeout=25)

    assert tally.done == set(bodies)
    assert not tally.twice


def test_an_s3_that_hangs_at_a_delete_holds_up_no_other_message(
    large, fragile, proxy, tally, start, eventually, counts
):
    bodies = [str(number) for number in range(100)]
    fragile.register("big", lambda message: None, visibility_timeout=4)
    small = fragile.register("small", tally, visibility_timeout=4)
    large.register("big")
    large.send("big", body="x" * (1024 * 1024 + 1))
    fragile.send_many("small", bodies)
    proxy.set("hung", "S3 DELETE")

    start(fragile)
    eventually(lambda: tally.done == set(bodies), timeout=25)
    eventually(lambda: counts(small.full_name()) == (0, 0, 0), timeout=25)

    assert not tally.twice
    assert proxy.tried


def test_a_hop_whose_delete_fails_in_part_leaves_one_message_not_two(
    fragile, proxy, tally, sqs, start, eventually, counts
):
    queue = fragile.register("later", tally, wire_format="raw", visibility_timeout=2)
    trail = Trail(due=time.time() + 5_000).attribute()
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="eA==", MessageAttributes={TRAIL: trail})
    proxy.set("half failed", "DeleteMessage", "DeleteMessageBatch", count=1)

    start(fragile)
    eventually(lambda: counts(queue.full_name())[2] >= 1)
    time.sleep(4)

    assert counts(queue.full_name()) == (0, 0, 1)
    assert not tally.starts


def test_what_is_done_and_not_yet_deleted_stays_bounded(
    fragile, proxy, tally, start, eventually, counts
):
    """Full queues, an empty receiver, and deletes that are not answered."""
    queues = [fragile.register(f"q{number}", tally) for number in range(2)]
    for queue in queues:
        queue.send_many([str(number) for number in range(300)])
    proxy.set("hung", "DeleteMessage", "DeleteMessageBatch")
    start(fragile)
    eventually(lambda: tally.done)

    held = 0
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        held = max(held, max(counts(queue.full_name())[1] for queue in queues))
        time.sleep(0.2)

    # Four requests' worth that is done, what four polls under way bring, and what waits.
    assert 0 < held <= 200


def test_a_close_logs_what_it_could_not_delete(fragile, proxy, tally, start, eventually, caplog):
    queue = fragile.register("orders", tally)
    fragile.send_many("orders", BODIES)
    proxy.set("error 503", "DeleteMessage", "DeleteMessageBatch")
    consumer, thread = start(fragile, grace_period=2)
    eventually(lambda: tally.done == set(BODIES))
    caplog.clear()

    consumer.stop()
    thread.join(30)

    assert not thread.is_alive()

    def told():
        errors = [each.message for each in caplog.records if each.levelname == "ERROR"]
        return "\n".join(text for text in errors if queue.full_name() in text)

    # What is under way when the time is over is told when it fails.
    eventually(lambda: all(message in told() for message in tally.starts))
