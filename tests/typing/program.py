"""A user's code without Django; each line that is wrong says which word is told of."""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import assert_type

from django_sqs_kombu import JSONMessage, RawMessage, Receivers
from django_sqs_kombu.messages import TypedMessage

receivers = Receivers("sqs-batch://", prefix="example")


@receivers.receiver("orders", message_class=JSONMessage, max_receives=5, dead_letter_queue="dead")
def receive_order(message: JSONMessage) -> int:
    return len(message)


@dataclass
class Order:
    number: int


@receivers.receiver("typed", model=Order)
def receive_typed(message: TypedMessage[Order]) -> None:
    assert_type(message.get_body(), Order)


@receivers.receiver("rows", batch=100, wait=5, message_class=JSONMessage)
def receive_rows(messages: list[JSONMessage]) -> int:
    for message in messages:
        if message.get_body() is None:
            message.fail(ValueError("it has no body"))
        elif len(message) > 5:
            message.restart(delay=60)
        else:
            message.restart()
    return len(messages)


@receivers.receiver("typed-rows", batch=100, model=Order)
async def receive_typed_rows(messages: Sequence[TypedMessage[Order]]) -> None:
    assert_type(messages[0].get_body(), Order)


async def right() -> None:
    receive_rows(JSONMessage(body={}))
    await receive_rows.asend(JSONMessage(body={}), "big", delay=5)
    assert_type(receive_rows.direct([JSONMessage(body={})]), int)
    receive_typed_rows(body=Order(7))
    receive_typed_rows(TypedMessage(body=Order(7)))
    receive_order(body={}, delay=5)
    receive_typed(body=Order(7))
    await receive_typed.asend(body=Order(7), group_id="a")
    assert_type(receive_order.direct(JSONMessage(body={})), int)
    receivers.send("orders", JSONMessage(body={}), "big", attributes={"a": "b"})
    await receivers.asend("orders", body={})
    assert_type(receivers.send_many("orders", range(5), parallel=3), int)
    assert_type(receivers.register("out").full_name(), str)


def receive_more(messages: list[JSONMessage]) -> None:
    messages.fail(ValueError())  # E: fail
    messages[0].fail("bad")  # E: str
    messages[0].restart("soon")  # E: str
    messages[0].fial(ValueError())  # E: fial


async def wrong() -> None:
    receive_rows(RawMessage(body=""))  # E: RawMessage
    receive_rows.direct(JSONMessage(body={}))  # E: JSONMessage
    receive_rows(body={}, on_commit=True)  # E: __call__
    await receive_rows.asend("text")  # E: str
    receive_order(body={}, on_commit=True)  # E: on_commit
    receive_order("text")  # E: str
    receive_typed("text")  # E: str
    receivers.receiver("orders", models=[1])  # E: models
    receivers.register("orders", kms_keyy="a")  # E: kms_keyy
    receivers.register("orders", priority="high")  # E: str
    receivers.send("orders", body={}, dealy=5)  # E: dealy
    receivers.send_many("orders", [], paralel=5)  # E: paralel
