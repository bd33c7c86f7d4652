"""Fixtures: Celery workers and steps that are ended with their test."""

from types import SimpleNamespace

import pytest
from kombu.asynchronous import Hub

from django_sqs_kombu.celery import ReceiverStep
from django_sqs_kombu.working import late

from .worker import Worker


@pytest.fixture
def new_worker(server, prefix, tmp_path, sqs):
    workers = []

    def new_worker(transport, pool="prefork", **options):
        sqs.create_queue(QueueName=prefix, Attributes={"VisibilityTimeout": "30"})
        workers.append(Worker(server, prefix, tmp_path, transport, pool, **options))
        return workers[-1]

    yield new_worker
    for worker in workers:
        if worker.process is not None:
            worker.process.end()


@pytest.fixture
def start(receivers):
    """Start a step that receives from the queues of these names, or from all."""
    consumer = SimpleNamespace(hub=Hub(), pool=SimpleNamespace(num_processes=1))
    started = []

    def start(*names):
        step = ReceiverStep(consumer)
        step.receivers, step.queue_names = receivers, names
        step.start(consumer)
        started.append(step)
        return step

    yield start
    for step in started:
        step.stop(consumer)
        step.shutdown(consumer)
    assert not late._taken
