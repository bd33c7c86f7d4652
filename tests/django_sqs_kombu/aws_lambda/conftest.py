"""Fixtures: a Lambda function on a registry, and either that or a worker to run receivers."""

import threading

import pytest

from django_sqs_kombu import ReceiverConsumer, lambda_handler

from ...event_source import EventSource


@pytest.fixture
def new_source(sqs):
    """Make event source mappings to a function that runs a registry's receivers."""
    made = []

    def new_source(receivers, **options):
        made.append(lambda_handler(receivers, **options))
        return EventSource(sqs, made[-1])

    yield new_source
    for handler in made:
        handler.close()


@pytest.fixture
def source(new_source, receivers):
    return new_source(receivers)


@pytest.fixture
def dead_letters(sqs, prefix):
    """The messages of a dead-letter queue."""

    def dead_letters(name="dead"):
        url = sqs.get_queue_url(QueueName=f"{prefix}__{name}")["QueueUrl"]
        found = []
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += messages
        return found

    return dead_letters


@pytest.fixture(params=["worker", "lambda"])
def work(request, new_source):
    """Run a registry's receivers until *done* is true, by a worker and by a Lambda function."""

    def by_worker(receivers, done):
        consumer = ReceiverConsumer(receivers)
        running = threading.Thread(target=consumer.run, daemon=True)
        running.start()
        wait_until(done, lambda: None)
        consumer.stop(break_off=True)
        running.join(20)
        assert not running.is_alive()

    def by_lambda(receivers, done):
        source = new_source(receivers)
        names = [each.full_name() for each in receivers.select() if each.receiver is not None]
        wait_until(done, lambda: [source.invoke(name) for name in names])

    def wait_until(done, step):
        pause = threading.Event()
        for _ in range(300):
            step()
            if done():
                return
            pause.wait(0.05)
        raise AssertionError("it did not come to its end")

    return by_worker if request.param == "worker" else by_lambda
