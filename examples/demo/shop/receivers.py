"""The demo's receivers: found by themselves, since the module is called receivers."""

from django_sqs import RestartLater, receiver
from django_sqs.message import JSONMessage, ModelInstanceMessage, RawMessage


def say(queue, text):
    print(f"  {queue:>9} received {text}", flush=True)


@receiver("greetings")
def receive_greeting(message):
    say("greetings", repr(message.get_body()))


@receiver("prices", message_class=JSONMessage)
def receive_price(message):
    say("prices", f"a mapping: {message['item']} costs {message['price']}")


@receiver("notes", message_class=RawMessage, wire_format="raw")
def receive_note(message):
    say("notes", f"the bare text that any language can send: {message.get_body()!r}")


@receiver("orders", message_class=ModelInstanceMessage, timeout=30)
def pack_order(message):
    order = message.get_instance()
    order.packed = True
    order.save()
    say("orders", f"the row {order.pk} of the database: {order}")


@receiver("payments")
def receive_payment(message):
    if message.attributes["ApproximateReceiveCount"] == "1":
        say("payments", "a payment while the bank is closed: RestartLater(delay=2)")
        raise RestartLater(delay=2)
    say("payments", "the payment again, and now the bank is open")


@receiver("failures")
def fail(message):
    say("failures", "a message that its receiver cannot bear; its traceback is logged:")
    raise ValueError("this receiver always fails")
