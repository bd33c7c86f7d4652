"""The backoff policies of predefined queues."""

import time

import kombu
import pytest

TASK = "shop.charge"


@pytest.fixture
def predefined(connect, sqs, prefix):
    """A connection whose queue "orders" is predefined, with a backoff policy."""

    def predefined(name="orders", queue_name_prefix="", **options):
        url = sqs.create_queue(QueueName=prefix, Attributes={"VisibilityTimeout": "30"})
        queue = {
            "url": url["QueueUrl"],
            "backoff_tasks": [TASK],
            "backoff_policy": {1: 1, 2: 40},
        }
        return connect(
            predefined_queues={f"{queue_name_prefix}{name}": queue},
            queue_name_prefix=queue_name_prefix,
            **options,
        )

    return predefined


def reject_all(connection, count, name="orders", routing_key="orders", more=2.5, **publish):
    """Publish a message, reject what comes until *count* came, and return what came at all.

    :param more: seconds in which others might come.
    """
    received = []

    def reject(body, message):
        received.append((body, message.receive_count))
        message.reject()

    def drain(seconds, enough):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and len(received) < enough:
            try:
                connection.drain_events(timeout=0.5)
            except TimeoutError:
                continue

    queue = kombu.Queue(name, kombu.Exchange("shop"), routing_key=routing_key)
    with connection.channel() as channel, kombu.Consumer(channel, [queue], callbacks=[reject]):
        kombu.Producer(channel).publish("x", exchange="shop", routing_key=routing_key, **publish)
        drain(20, count)
        drain(more, count + 1)
    return received


@pytest.mark.parametrize("queue_name_prefix", ["", "staging-"])
def test_a_failed_task_comes_back_after_the_policys_delay(predefined, queue_name_prefix):
    connection = predefined(queue_name_prefix=queue_name_prefix)

    assert reject_all(connection, 2, headers={"task": TASK}) == [("x", 1), ("x", 2)]


def test_the_policy_is_the_queues_whatever_the_routing_key_is(predefined):
    received = reject_all(predefined(), 2, routing_key="of-another-name", headers={"task": TASK})

    assert received[:2] == [("x", 1), ("x", 2)]


def test_a_policy_from_json_counts_receives_as_text(connect, sqs, prefix):
    url = sqs.create_queue(QueueName=prefix)["QueueUrl"]
    queue = {"url": url, "backoff_tasks": [TASK], "backoff_policy": {"1": "1"}}

    received = reject_all(connect(predefined_queues={"orders": queue}), 2, headers={"task": TASK})

    assert received[:2] == [("x", 1), ("x", 2)]


@pytest.mark.parametrize(
    "headers", [None, {}, {"task": "shop.other"}, {"task": None}, {"task": ["a", "list"]}]
)
def test_what_no_policy_names_is_deleted_when_it_is_rejected(
    predefined, headers, counts, prefix, eventually
):
    connection = predefined()

    assert reject_all(connection, 1, more=0, headers=headers) == [("x", 1)]
    eventually(lambda: counts(prefix) == (0, 0, 0))


def test_a_policy_without_a_number_for_the_receive_leaves_the_visibility_timeout(
    connect, sqs, prefix, counts
):
    attributes = {"VisibilityTimeout": "2"}
    url = sqs.create_queue(QueueName=prefix, Attributes=attributes)["QueueUrl"]
    queue = {"url": url, "backoff_tasks": [TASK], "backoff_policy": {5: 1}}

    received = reject_all(connect(predefined_queues={"orders": queue}), 2, headers={"task": TASK})

    assert received[:2] == [("x", 1), ("x", 2)]
