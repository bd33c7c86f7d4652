"""Fixtures: Celery workers that are ended with their test."""

import pytest

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
