"""Whatever a receiver raises of a database's, or of a message class's: its message fails."""

import pytest
from django.db import DatabaseError, OperationalError

import django_sqs
from django_sqs_kombu.exceptions import MessageDecodeError
from django_sqs_kombu.working.handling import handle
from django_sqs_kombu.working.table import Action

from ..django_sqs_kombu.working.fakes import Broken, FakeDelivery


class NoCause(DatabaseError):
    __cause__ = Broken()


class NoAttributes(DatabaseError):
    def __getattribute__(self, name):
        raise ZeroDivisionError(name)


class NoState(Exception):
    sqlstate = Broken()


class OtherState(Exception):
    def __init__(self, text):
        super().__init__(text)
        self.sqlstate = ["42P05"]


class NoKind(MessageDecodeError):
    """One that does not call the constructor above it."""

    def __init__(self, why):
        self.why = why


def caused(error, cause):
    error.__cause__ = cause
    return error


ODD = {
    "no cause": lambda: NoCause("x"),
    "no attributes": lambda: NoAttributes("x"),
    "no state": lambda: caused(DatabaseError("x"), NoState("y")),
    "another state": lambda: caused(DatabaseError("x"), OtherState("y")),
    "no kind": lambda: NoKind("x"),
    "a kind that is no class": lambda: caused(MessageDecodeError("x", kind="y"), OSError("z")),
}


@pytest.mark.parametrize("odd", ODD)
def test_its_message_fails_as_any_other_and_the_worker_goes_on(odd, db, caplog):
    def receive(message):
        raise ODD[odd]()

    queue = django_sqs.register("odd", receive)
    delivery, escaped = FakeDelivery(), None

    try:
        handled = handle(queue, delivery, queue.get_queue())
    except BaseException as exc:
        escaped = repr(type(exc))

    # Raised as it is, it would end the test runner.
    assert escaped is None
    assert (handled.action, delivery.done) == (Action.REJECT, [("reject",)])


def test_one_of_a_database_that_passes_is_tried_again_all_the_same(db):
    def receive(message):
        raise caused(OperationalError("x"), NoState("y"))

    queue = django_sqs.register("odd", receive)
    delivery = FakeDelivery()

    assert handle(queue, delivery, queue.get_queue()).action is Action.REQUEUE
