"""The demo's receivers: found by themselves, since the module is called receivers."""

from __future__ import annotations

from django_sqs import RestartLater, receiver
from django_sqs.message import JSONMessage, Message, ModelInstanceMessage, RawMessage

from .models import Order


def say(queue: str, text: str) -> None:
    """Print what a receiver got."""
    print(f"  {queue:>9} received {text}", flush=True)


@receiver("greetings")
def receive_greeting(message: Message) -> None:
    """Text."""
    say("greetings", repr(message.get_body()))


@receiver("prices", message_class=JSONMessage)
def receive_price(message: JSONMessage) -> None:
    """JSON."""
    say("prices", f"a mapping: {message['item']} costs {message['price']}")


@receiver("notes", message_class=RawMessage, wire_format="raw")
def receive_note(message: RawMessage) -> None:
    """Without an envelope."""
    say("notes", f"the bare text that any language can send: {message.get_body()!r}")


@receiver("orders", message_class=ModelInstanceMessage, timeout=30)
def pack_order(message: ModelInstanceMessage) -> None:
    """A row of the database."""
    order = message.get_instance()
    assert isinstance(order, Order)
    order.packed = True
    order.save()
    say("orders", f"the row {order.pk} of the database: {order}")


@receiver("payments")
def receive_payment(message: Message) -> None:
    """Restarted once."""
    if message.attributes["ApproximateReceiveCount"] == "1":
        say("payments", "a payment while the bank is closed: RestartLater(delay=2)")
        raise RestartLater(delay=2)
    say("payments", "the payment again, and now the bank is open")


@receiver("failures")
def fail(message: Message) -> None:
    """Fails, so that its message is deleted."""
    say("failures", "a message that its receiver cannot bear; its traceback is logged:")
    raise ValueError("this receiver always fails")
