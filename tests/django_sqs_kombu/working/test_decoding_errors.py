"""What a message class runs into while it reads a body counts as if the receiver had raised it."""

import json
import pickle

import pytest

from django_sqs_kombu import (
    BigMessage,
    JSONMessage,
    MessageDecodeError,
    RawMessage,
    Receivers,
    RestartLater,
)
from django_sqs_kombu.working.handling import handle
from django_sqs_kombu.working.retry import Retry
from django_sqs_kombu.working.table import Action, Attempts, row_for, table_of

from .fakes import FakeDelivery

#: As psycopg writes it: the text is on several lines.
AWAY = ConnectionResetError("connection to server failed\n\tIs the server running?")
RETRY = Retry((ConnectionError,), 3)
TABLE = table_of(passing=RETRY)


def away(*args, **kwargs):
    raise AWAY


class Queries(RawMessage):
    """Looks its value up in a database, whatever the wire format."""

    decode = load = away


class Unpacks(JSONMessage):
    """Does so once the JSON is read."""

    def set_body(self, body):
        if body:
            away()


class Begins(RawMessage):
    """Does so before there is a body."""

    __init__ = away


class NoClient(BigMessage):
    """Its S3 client cannot be made: no credentials, no file descriptor left, a wrong option."""

    def load(self, delivery):
        return self.decode("s3://bucket/key")

    def _client(self):
        raise OSError("Too many open files")


@pytest.fixture
def settled():
    """What becomes of a message, by its class, and the delivery."""
    receivers = Receivers("sqs-batch://", retry_on=RETRY.on, retry_tries=RETRY.tries)

    def settled(receive_count=1, **options):
        registered = receivers.register(f"orders{len(receivers.queues)}", print, **options)
        delivery = FakeDelivery(receive_count=receive_count)
        delivery.text = delivery.sqs_body = json.dumps({"number": 1})
        return handle(registered, delivery, registered.get_queue()).action, delivery.done

    return settled


@pytest.mark.parametrize("delete_on_start", [False, True])
@pytest.mark.parametrize("message_class", [Queries, Unpacks, Begins])
def test_a_database_that_is_away_while_a_body_is_read_costs_no_message(
    settled, caplog, message_class, delete_on_start
):
    action, done = settled(message_class=message_class, delete_on_start=delete_on_start)

    assert (action, done) == (Action.REQUEUE, [("requeue", None)])
    (record,) = caplog.records
    assert "is tried again later" in record.message
    assert "connection to server failed" in record.message
    assert "\n" not in record.message


def test_it_is_tried_again_as_often_as_what_a_receiver_raises(settled):
    assert settled(receive_count=3, message_class=Queries)[0] is Action.REQUEUE
    assert settled(receive_count=4, message_class=Queries)[0] is Action.REJECT


def test_so_it_is_with_a_validator_of_a_typed_message(settled):
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def is_known(cls, number):
            away()

    assert settled(model=Order)[0] is Action.REQUEUE


def test_a_client_of_s3_that_cannot_be_made_is_not_the_messages_fault(settled):
    assert settled(receive_count=1_000, message_class=NoClient)[0] is Action.REQUEUE


def test_a_body_for_which_there_is_no_memory_is_not_the_messages_fault(settled):
    class Large(JSONMessage):
        def load(self, delivery):
            raise MemoryError

    assert settled(receive_count=1_000, message_class=Large)[0] is Action.REQUEUE


def test_a_message_class_that_asks_for_a_restart_gets_it(settled):
    class NotYet(RawMessage):
        def load(self, delivery):
            raise RestartLater(5)

    assert settled(message_class=NotYet) == (Action.REQUEUE, [("requeue", 5.0)])


def test_what_another_process_could_not_decode_is_known_by_its_class():
    error = pickle.loads(pickle.dumps(MessageDecodeError("no JSON", kind=ConnectionResetError)))

    assert row_for(error, Attempts(3), TABLE).action is Action.REQUEUE
    assert row_for(error, Attempts(4), TABLE).says == "cannot be decoded"
    assert (
        row_for(MessageDecodeError("no JSON", kind=ValueError), table=TABLE).action is Action.REJECT
    )
