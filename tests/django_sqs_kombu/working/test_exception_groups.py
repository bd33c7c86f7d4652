"""An exception group, as of a TaskGroup, counts as what it consists of."""

import asyncio
import builtins

import pytest

from django_sqs_kombu import Receivers, RestartLater, Retry
from django_sqs_kombu.testing.local_delivery import LocalDelivery

GROUP = getattr(builtins, "ExceptionGroup", None)
pytestmark = pytest.mark.skipif(GROUP is None, reason="Python 3.10 has none")


class Timeout(Exception):
    pass


@pytest.fixture
def raised_of():
    """What counts of what a receiver raised."""
    receivers = Receivers("sqs-batch://", retry_on=[ConnectionError])

    def raised_of(receiver):
        queue = receivers.register("orders", receiver, retry=Retry(Timeout), discard=[KeyError])
        delivery = LocalDelivery("orders", queue.outgoing(body="x"))
        return queue.attempt(delivery, queue.get_queue()).raised

    return raised_of


@pytest.mark.parametrize(
    "exc", [RestartLater(7), ConnectionError(), Timeout(), KeyError()], ids=repr
)
def test_what_fails_in_a_task_group_counts_as_without_one(raised_of, exc):
    async def fail():
        raise exc

    async def receive(message):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            tasks.create_task(asyncio.sleep(10))

    assert raised_of(receive) is exc


@pytest.mark.parametrize(
    ("within", "counts"),
    [
        ([Timeout(1), RestartLater(2)], True),
        ([Timeout(3), ValueError(4)], False),
        ([ValueError(5)], False),
        ([Timeout(6), KeyError(7)], False),
    ],
    ids=["all are tried again", "one fails", "it fails", "two outcomes"],
)
def test_of_several_one_counts_if_all_have_one_outcome(raised_of, within, counts):
    inner = GROUP("inner", within[:1])
    group = GROUP("outer", [inner, *within[1:]])

    def receive(message):
        raise group

    assert raised_of(receive) is (within[0] if counts else group)
