"""SQS's limits, each once, and the size that SQS counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: SQS takes and hands out at most this many messages in one request.
MAX_MESSAGES = 10
#: The most that SQS takes in one message, body and attributes together, and in one batch.
MAX_MESSAGE_BYTES = 1024 * 1024
#: SQS takes at most this many message attributes.
MAX_ATTRIBUTES = 10
#: The longest DelaySeconds that SQS takes.
MAX_DELAY = 900
#: The longest wait that SQS allows for one ReceiveMessage, in seconds.
MAX_WAIT_TIME = 20
#: The longest visibility timeout that SQS takes, in seconds, counted from the receive.
MAX_VISIBILITY_TIMEOUT = 43_200
#: The longest that SQS keeps a message, in seconds: 14 days.
MAX_RETENTION = 1_209_600
#: A dead-letter queue names at most this many queues that may use it.
MAX_SOURCES = 10
#: The longest queue name that SQS takes, a FIFO queue's ``.fifo`` included.
MAX_NAME_LENGTH = 80
#: The most receives before SQS moves a message to the dead-letter queue.
LARGEST_MAX_RECEIVES = 1_000
#: A queue has at most this many tags.
MAX_TAGS = 50
#: The longest key of a tag, in characters.
MAX_TAG_KEY_LENGTH = 128
#: The longest value of a tag, in characters.
MAX_TAG_VALUE_LENGTH = 256


def size_of(params: Mapping[str, Any]) -> int:
    """The bytes of a message that SQS counts: its body and its attributes.

    Of an attribute the name, the type and the value count.

    :param params: those of SendMessage.
    """
    size = _bytes(params["MessageBody"])
    for name, attribute in (params.get("MessageAttributes") or {}).items():
        value = attribute.get("StringValue") or attribute.get("BinaryValue") or ""
        size += _bytes(name) + _bytes(attribute.get("DataType", "")) + _bytes(value)
    return size


def _bytes(value: str | bytes) -> int:
    if isinstance(value, bytes):
        return len(value)
    # A surrogate has no bytes, and is refused elsewhere.
    return len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))
