"""Unsent: what is wrong with a message that is kept and sent later, found without SQS or S3."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ..body.objects import MAX_OBJECT_BYTES
from ..body.payloads import PREFIX, LargePayloads
from .checks import check_room_in_s3, check_size
from .parameters import send_parameters


def check_unsent(
    queue: str,
    body: str,
    content_type: str,
    properties: Mapping[str, Any],
    *,
    wire_format: str,
    options: Mapping[str, Any],
) -> None:
    """Raise what sending it would raise, as far as that lies in the message.

    No request is sent, so whoever writes a message down is not stopped by an SQS that is away.

    :param queue: the queue's name in SQS.
    :param properties: those of :meth:`Outgoing.properties`.
    :param options: the transport options that it will be sent with.
    :raises MessageEncodeError: SQS would refuse it, or no receiver would read it.
    """
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": {},
        "properties": {
            **properties,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": None,
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    params = send_parameters(queue, message, wire_format)
    bucket = options.get("large_payload_bucket")
    if not bucket:
        check_size(queue, params)
        return
    check_room_in_s3(params)
    largest = int(options.get("large_payload_max_bytes", MAX_OBJECT_BYTES))
    LargePayloads(bucket, _no_client, PREFIX, largest).check(params)


def _no_client() -> Any:
    raise NotImplementedError("nothing is read or written here")
