"""What of a batch is sent again goes ten to a request, and stays where it cannot."""

import pytest

from django_sqs_kombu import RestartLater

COUNT = 25


@pytest.fixture
def restart_all(receivers):
    """A batch receiver, of a queue with a redrive policy, that wants all again at first."""
    seen = []
    receivers.register("dead", None).get_queue()

    def receive(messages):
        seen.append([message.get_body() for message in messages])
        if len(seen) == 1:
            raise RestartLater(0)

    queue = receivers.register(
        "events", receive, batch=COUNT, wait=5, dead_letter_queue="dead", max_receives=2
    )
    for start in range(0, COUNT, 10):
        receivers.send_many("events", [f"{n:02}" for n in range(start, min(start + 10, COUNT))])
    return queue, seen


def test_all_of_a_batch_are_sent_again_by_few_requests(
    restart_all, receivers, start, eventually, counts, server
):
    queue, seen = restart_all
    name = queue.full_name()
    before = server.count("SendMessage", name) + server.count("SendMessageBatch", name)

    start(receivers)
    eventually(lambda: sum(map(len, seen)) == 2 * COUNT, timeout=30)

    sent = server.count("SendMessage", name) + server.count("SendMessageBatch", name) - before
    assert sent == 3
    eventually(lambda: counts(name) == (0, 0, 0))
    assert sorted(body for batch in seen[1:] for body in batch) == sorted(seen[0])


def test_those_that_are_not_accepted_stay_in_the_queue(
    restart_all, receivers, start, eventually, counts, server, caplog
):
    queue, seen = restart_all
    with server.refusing("SendMessageBatch", queue.full_name()):
        start(receivers)
        eventually(lambda: sum(map(len, seen)) == 2 * COUNT, timeout=30)

    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert sorted(body for batch in seen[1:] for body in batch) == sorted(seen[0])
    stayed = [r for r in caplog.records if "it stays, and the receive counts" in r.message]
    assert len(stayed) == COUNT
