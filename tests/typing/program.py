"""A user's code without Django; each line that is wrong says which word is told of."""

from dataclasses import dataclass

from typing_extensions import assert_type

from django_sqs_kombu import JSONMessage, Receivers
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


async def right() -> None:
    receive_order(body={}, delay=5)
    receive_typed(body=Order(7))
    await receive_typed.asend(body=Order(7), group_id="a")
    assert_type(receive_order.direct(JSONMessage(body={})), int)
    receivers.send("orders", JSONMessage(body={}), "big", attributes={"a": "b"})
    await receivers.asend("orders", body={})
    assert_type(receivers.send_many("orders", range(5), parallel=3), int)
    assert_type(receivers.register("out").full_name(), str)


async def wrong() -> None:
    receive_order(body={}, on_commit=True)  # E: on_commit
    receive_order("text")  # E: str
    receive_typed("text")  # E: str
    receivers.receiver("orders", models=[1])  # E: models
    receivers.register("orders", kms_keyy="a")  # E: kms_keyy
    receivers.register("orders", priority="high")  # E: str
    receivers.send("orders", body={}, dealy=5)  # E: dealy
    receivers.send_many("orders", [], paralel=5)  # E: paralel
