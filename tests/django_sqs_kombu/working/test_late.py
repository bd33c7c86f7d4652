"""A queue that is registered when a worker has begun: nobody receives from it, and that is said."""

import pytest

from django_sqs_kombu import ReceiverConsumer, Receivers
from django_sqs_kombu.working import taking_all


@pytest.fixture
def alone():
    """A registry without a server."""
    return Receivers("sqs-batch://")


def test_it_is_said_that_nobody_receives_from_it(alone, caplog):
    with taking_all(alone):
        alone.register("late", print)

    assert "Queue 'late' was registered after this worker had started" in caplog.text


def late_ones(registry):
    registry.register("sent")
    # Again, as when its module is reloaded.
    registry.register("early", print)
    registry.register("elsewhere", print)


def test_of_others_nothing_is_said(alone, caplog):
    alone.register("early", print)
    with taking_all(alone, but=["elsewhere"]), taking_all(Receivers("sqs-batch://")):
        late_ones(alone)
    with taking_all(alone, chosen=["early"]):
        alone.register("unexpected", print)
    alone.register("after", print)

    assert "was registered after" not in caplog.text


def test_one_that_was_for_sending_only_counts(alone, caplog):
    alone.register("orders")
    with taking_all(alone):
        alone.register("orders", print)

    assert "Queue 'orders' was registered after" in caplog.text


def test_one_that_is_registered_before_the_worker_begins_to_receive_counts(alone, caplog):
    found = [alone.register("early", print)]
    late_ones(alone)
    alone.register("late", print)
    with taking_all(alone, found, but=["elsewhere"]):
        alone.register("late", print)

    [warning] = [each.getMessage() for each in caplog.records]
    assert warning.startswith("Queue 'late' was registered after")


@pytest.mark.parametrize("chosen", [True, False])
def test_a_consumer_says_it_of_one_that_is_registered_before_it_runs(receivers, chosen, caplog):
    orders = receivers.register("orders", print)
    consumer = ReceiverConsumer(receivers, [orders] if chosen else None, message_limit=1)
    receivers.register("late", print)
    orders.send(body="x")

    consumer.run()

    assert caplog.text.count("Queue 'late' was registered after") == (not chosen)


@pytest.mark.parametrize("chosen", [True, False])
def test_a_consumer_of_all_queues_says_it(receivers, chosen, caplog):
    def receive(message):
        receivers.register("late", print)

    orders = receivers.register("orders", receive)
    orders.send(body="x")

    ReceiverConsumer(receivers, [orders] if chosen else None, message_limit=1).run()

    assert ("Queue 'late' was registered after" in caplog.text) != chosen
