"""A user's code in a Django project; each line that is wrong says which word is told of."""

from datetime import timedelta

from django.db import models
from typing_extensions import assert_type

from django_sqs import Retry, asend, receiver, register, send, send_many
from django_sqs.message import JSONMessage, ModelInstanceMessage


class Row(models.Model):
    class Meta:
        app_label = "typing"


@receiver("orders", message_class=JSONMessage, retry=Retry(on=(OSError,)), once=True)
def receive_order(message: JSONMessage) -> int:
    return len(message)


@receiver(message_class=ModelInstanceMessage, models=[Row, "shop.Order"], databases=["other"])
def receive_row(message: ModelInstanceMessage) -> None:
    message.get_body()


@receiver("later", every=timedelta(hours=1), close_database=True)
async def receive_later(message: JSONMessage) -> str:
    return ""


@receiver("rows", batch=100, message_class=ModelInstanceMessage, models=[Row])
def receive_rows(messages: list[ModelInstanceMessage]) -> None:
    messages[0].restart(timedelta(minutes=1))


async def right(row: Row) -> None:
    receive_rows(ModelInstanceMessage(instance=row), on_commit=True)
    await receive_rows.asend(instance=row, outbox=True)
    receive_order(JSONMessage(body={}), "big", on_commit=True)
    receive_order(body={"number": 1}, delay=timedelta(minutes=1), group_id="a")
    receive_row(instance=row, using="other")
    await receive_order.asend(body={}, outbox=True)
    assert_type(receive_order.direct(JSONMessage(body={})), int)
    assert_type(await receive_later.direct(JSONMessage()), str)
    assert_type(receive_order.registered_queue.full_name(), str)
    receive_order.registered_queue.send(body={}, outbox=True)
    register("out", tags={"team": "a"}, kms_key="alias/a").send(body="x", on_commit=True)
    register("task", celery_task="shop.tasks.ship")
    send("orders", body={}, attributes={"a": "b"}, deduplication_id="a")
    await asend("orders", body={}, delay=5)
    assert_type(send_many("orders", range(5), delay=[1, None], on_commit=False), int)


async def wrong() -> None:
    receive_rows(JSONMessage(body={}))  # E: JSONMessage
    receive_rows.direct(JSONMessage(body={}))  # E: JSONMessage
    receive_order(body={}, on_comit=True)  # E: on_comit
    receive_order("text")  # E: str
    receive_order.direct("text")  # E: str
    receive_order(body={}, delay="soon")  # E: str
    await receive_order.asend(body={}, dealy=5)  # E: dealy
    receive_order.registered_queue.send(body={}, on_comit=True)  # E: on_comit
    receive_order.registered_queue.send_many([], on_comit=True)  # E: on_comit
    register("out", kms_keyy="alias/a")  # E: kms_keyy
    register("rows", models=[1])  # E: int
    register("orders", message_class=int)  # E: int
    register("orders").send(on_comit=True)  # E: on_comit
    receiver("orders", onse=True)  # E: onse
    receiver("orders", visibility_timeout="60")  # E: str
    receiver("orders", every=60)  # E: int
    send("orders", body={}, on_comit=True)  # E: on_comit
    send("orders", body={}, group_id=7)  # E: int
    await asend("orders", body={}, dealy=5)  # E: dealy
    send_many("orders", [], paralel=3)  # E: paralel


@receiver("pairs")  # E: JSONMessage
def receive_pair(message: JSONMessage, more: int) -> None:
    return None
