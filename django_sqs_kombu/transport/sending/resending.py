"""Restarts of messages that were deleted on receipt: they are sent anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...names import FIFO
from ...quotas import MAX_DELAY

if TYPE_CHECKING:
    from ..delivery import Delivery

#: The message attribute that counts the restarts.
RESTARTS = "django_sqs.restarts"


def send_anew(delivery: Delivery, delay: float | None) -> None:
    """Send a message anew that was deleted on receipt and is to be restarted.

    :param delay: seconds, cut to SQS's 900; None: backoff from the restarts so far.
    """
    received = delivery.sqs_message
    attributes = dict(received.get("MessageAttributes") or {})
    restarts = int(attributes.get(RESTARTS, {}).get("StringValue", 0)) + 1
    attributes[RESTARTS] = {"DataType": "Number", "StringValue": str(restarts)}
    seconds = delivery.channel.backoff.delay(restarts) if delay is None else delay
    params: dict[str, Any] = {"MessageBody": delivery.sqs_body, "MessageAttributes": attributes}
    if delivery.queue.endswith(FIFO):
        system = received.get("Attributes") or {}
        params["MessageGroupId"] = system.get("MessageGroupId", "default")
        params["MessageDeduplicationId"] = f"{delivery.message_id}-{restarts}"
    else:
        params["DelaySeconds"] = min(int(seconds), MAX_DELAY)
    channel = delivery.channel
    channel.requests.call("SendMessage", delivery.queue, **channel.payloads.offload(params))
