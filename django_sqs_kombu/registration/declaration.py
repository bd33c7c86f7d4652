"""QueueDeclaration: what a queue is to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import kombu

from ..transport.sqs.declaration import (
    COUNTS_ARGUMENT,
    DEAD_LETTER_ARGUMENT,
    MAX_RECEIVES_ARGUMENT,
    TAGS_ARGUMENT,
    WIRE_FORMAT_ARGUMENT,
)

#: Receives after which SQS moves a message to the dead-letter queue, unless another is given.
DEFAULT_MAX_RECEIVES = 5


@dataclass(frozen=True, slots=True)
class QueueDeclaration:
    """What a queue is to be: its full name and the attributes it is created with.

    :param name: the full name, as SQS knows it.
    :param visibility_timeout: seconds that a received message stays hidden.
    :param wire_format: ``"kombu"`` (Kombu's envelope) or ``"raw"`` (the message
        class's text alone) for the messages sent to it.
    :param dead_letter_queue: the full name of the queue where SQS moves a message that
        was received *max_receives* times and not deleted.
    :param max_receives: see there.
    :param tags: cost allocation tags.
    :param kms_key: the id or alias of the KMS key that encrypts it.
    :param high_throughput: whether a FIFO queue is deduplicated and limited by message group.
    :param counts_receives: whether a receive in vain costs a message one of its tries.
    """

    name: str
    visibility_timeout: int
    wire_format: str = "kombu"
    dead_letter_queue: str | None = None
    max_receives: int = DEFAULT_MAX_RECEIVES
    tags: Mapping[str, str] | None = None
    kms_key: str | None = None
    high_throughput: bool = False
    counts_receives: bool = False

    def to_kombu(self) -> kombu.Queue:
        """The same as a :class:`kombu.Queue` on the default exchange."""
        arguments: dict[str, Any] = {
            "VisibilityTimeout": str(self.visibility_timeout),
            WIRE_FORMAT_ARGUMENT: self.wire_format,
        }
        if self.dead_letter_queue:
            arguments[DEAD_LETTER_ARGUMENT] = self.dead_letter_queue
            arguments[MAX_RECEIVES_ARGUMENT] = self.max_receives
        if self.tags:
            arguments[TAGS_ARGUMENT] = dict(self.tags)
        if self.kms_key:
            arguments["KmsMasterKeyId"] = self.kms_key
        if self.high_throughput:
            arguments["DeduplicationScope"] = "messageGroup"
            arguments["FifoThroughputLimit"] = "perMessageGroupId"
        if self.counts_receives:
            arguments[COUNTS_ARGUMENT] = True
        return kombu.Queue(self.name, routing_key=self.name, queue_arguments=arguments)
