"""What a receiver raises in a process of the pool says the same in the worker's main process."""

import pickle

import pytest

from django_sqs_kombu import Continue, RestartLater
from django_sqs_kombu.celery.pool import run_in_process
from django_sqs_kombu.exceptions import kind_of


class TryLater(RestartLater):
    """What cannot be pickled, as an exception that takes keywords alone."""

    def __init__(self, *, minutes):
        super().__init__(60 * minutes, counts=True)


class NextPage(Continue):
    def __init__(self, *, page):
        super().__init__({"page": page}, 5)


class Refused(Exception):
    def __init__(self, *, code):
        super().__init__(code)


@pytest.fixture
def raise_there(receivers):
    """Have a receiver raise in a process of the pool; return what comes out of it."""

    def raise_there(raised):
        def receive(message):
            raise raised

        queue = receivers.register("orders", receive).get_queue()
        message = {"MessageId": "id-1", "ReceiptHandle": "r", "Body": "x"}
        return pickle.loads(pickle.dumps(run_in_process(queue.name, message))).raised

    return raise_there


def test_a_restart_keeps_its_delay(raise_there):
    found = raise_there(TryLater(minutes=2))

    assert (found.delay, found.counts) == (120, True)


def test_what_continues_keeps_its_cursor(raise_there):
    found = raise_there(NextPage(page=3))

    assert (found.cursor, found.delay) == ({"page": 3}, 5)


def test_of_anything_else_the_class_is_known(raise_there):
    assert kind_of(raise_there(Refused(code=1))) is Refused
