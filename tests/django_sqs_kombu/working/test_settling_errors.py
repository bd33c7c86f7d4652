"""A message whose settling fails takes no place from the others, and is not ours any more."""

import time

import pytest

from django_sqs_kombu import RawMessage, RestartLater


class Undeletable(RawMessage):
    """A message class whose delete() has a fault of its own."""

    def delete(self):
        if self.get_body().startswith("bad"):
            raise RuntimeError("a message class's own fault")
        super().delete()


def test_messages_that_cannot_be_settled_do_not_stop_their_queue(
    receivers, tally, start, eventually
):
    receivers.register("orders", tally, message_class=Undeletable, visibility_timeout=2)
    bad, good = [f"bad-{number}" for number in range(30)], [f"good-{n}" for n in range(10)]
    receivers.send_many("orders", bad)
    start(receivers, threads=2, prefetch=10)
    eventually(lambda: len(tally.done) >= 10)

    receivers.send_many("orders", good)

    eventually(lambda: tally.done >= {*bad, *good}, timeout=25)


@pytest.mark.slow
def test_a_message_whose_class_fails_at_its_delete_does_not_run_again(
    receivers, tally, start, eventually, counts
):
    queue = receivers.register("orders", tally, message_class=Undeletable, visibility_timeout=2)
    receivers.send("orders", body="bad")
    start(receivers)

    eventually(lambda: tally.done and counts(queue.full_name()) == (0, 0, 0))
    time.sleep(3)

    assert not tally.twice


@pytest.mark.slow
def test_the_longest_delay_of_a_restart_counts_from_the_receive(
    receivers, server, start, counts, eventually
):
    """SQS hides a message for 12 hours since its receive at most, and refuses more."""
    starts = []

    def receive(message):
        starts.append(message.id)
        time.sleep(1.2)
        raise RestartLater(43_200)

    queue = receivers.register("orders", receive, visibility_timeout=3)
    start(receivers)
    refused = len(server.limits.violations)
    receivers.send("orders", body="x")
    eventually(lambda: starts)

    time.sleep(7)

    assert counts(queue.full_name()) == (0, 1, 0)
    assert len(starts) == 1
    assert server.limits.violations[refused:] == []
