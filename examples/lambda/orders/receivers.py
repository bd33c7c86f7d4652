"""The receivers, the same for a worker and for Lambda."""

from django_sqs import RestartLater, receiver
from django_sqs_kombu import RawMessage


@receiver("orders", message_class=RawMessage, dead_letter_queue="orders-dead", timeout=20)
def pack(message):
    """Pack an order."""
    if message.get_body() == "the shop is closed":
        raise RestartLater(delay=600)
    print("packed:", message.get_body())
