"""What is told of a message whose process in Celery's pool is gone."""

import pytest

from ..working.fakes import FakeDelivery


class Pool:
    """A pool of processes, as Celery's is known."""

    __module__ = "celery.concurrency.prefork"
    num_processes = 1


@pytest.fixture
def running(receivers, start):
    """A queue's consumer, and a message of it whose receiver runs in another process."""

    def running(**options):
        queue = receivers.register("orders", print, **options).get_queue()
        [consumer] = start("orders")._consumers
        consumer._pool = Pool()
        delivery = FakeDelivery(queue=queue.name)
        consumer._running.add(delivery)
        return consumer, delivery

    return running


def test_with_delete_on_start_its_body_is_in_the_log(running, caplog):
    """SQS redelivers nothing that its process has deleted."""
    consumer, delivery = running(delete_on_start=True)

    consumer._on_lost(delivery, RuntimeError("killed"))

    assert "deleted on receipt and is lost, unless" in caplog.text
    assert "the body" in caplog.text
    assert "redeliver" not in caplog.text


def test_so_it_is_where_the_worker_ends_first(running, caplog):
    consumer, _ = running(delete_on_start=True)

    consumer.close()

    assert "the worker ends" in caplog.text
    assert "the body" in caplog.text


@pytest.mark.parametrize("end", ["lost", "close"])
def test_else_its_body_is_not(running, caplog, end):
    consumer, delivery = running()

    if end == "lost":
        consumer._on_lost(delivery, RuntimeError("killed"))
    else:
        consumer.close()

    assert ("SQS redelivers it after its visibility timeout: killed" in caplog.text) == (
        end == "lost"
    )
    assert "the body" not in caplog.text
