"""LocalDelivery: a message that is received without SQS, in tests and in eager mode."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ..exceptions import SQSError
from ..messages.base import JSON
from ..registration.outgoing import Outgoing
from ..transport.holding.ahead import Ask
from ..transport.holding.note import Note
from ..transport.sending.trail import TRAIL, Trail


class LocalDelivery:
    """What was to be sent, as if SQS had delivered it.

    :param queue: the queue's name in SQS.
    :param outgoing: what was sent.
    :param receive_count: how often it was received, this time included.
    :param cursor: where its receiver is to go on.
    :param message_id: that of the same message when it was received before; None: a new one.
    """

    is_foreign = False
    has_note = False

    def __init__(
        self,
        queue: str,
        outgoing: Outgoing,
        receive_count: int = 1,
        cursor: Any = None,
        message_id: str | None = None,
    ) -> None:
        self.queue = queue
        self.text = outgoing.body
        self.content_type: str | None = outgoing.content_type
        self.acknowledged = False
        self.receive_count = receive_count
        #: Seconds that were asked for by change_visibility, if it was called.
        self.visibility: int | None = None
        #: What it stands for, each of which is to be received by itself.
        self.parts: list[str] = []
        self.message_id = message_id or str(uuid.uuid4())
        trail = Trail(
            id=outgoing.id,
            cursor=cursor,
            expires=outgoing.expires,
            ticket=outgoing.ticket,
            frees=outgoing.frees,
        )
        now = str(int(time.time() * 1000))
        ids = {
            "MessageGroupId": outgoing.group_id,
            "MessageDeduplicationId": outgoing.deduplication_id,
        }
        self.sqs_message: Mapping[str, Any] = {
            "MessageId": self.message_id,
            "ReceiptHandle": f"local-{self.message_id}",
            "Body": outgoing.body,
            "MD5OfBody": hashlib.md5(outgoing.body.encode(), usedforsecurity=False).hexdigest(),
            "Attributes": {
                "ApproximateReceiveCount": str(receive_count),
                "SentTimestamp": now,
                "ApproximateFirstReceiveTimestamp": now,
                **{name: value for name, value in ids.items() if value},
            },
            "MessageAttributes": {
                **outgoing.sqs_attributes(),
                **({TRAIL: trail.attribute()} if trail else {}),
            },
        }

    @property
    def payload(self) -> Any:
        """The body as Kombu would decode it."""
        return json.loads(self.text) if self.content_type == JSON else self.text

    def ack(self) -> None:
        """Note that the message was deleted."""
        self.acknowledged = True

    def note(self, note: Note) -> None:
        """Write it at once: nothing is settled here."""
        note.write_now()

    def also_note(self, note: Note) -> None:
        """The same."""
        note.write_now()

    def note_start(self, note: Note) -> None:
        """The same."""
        note.write_now()

    def ask_ahead(self, ask: Ask) -> Any:
        """Nothing waits behind it."""
        return ask([self.text])[0]

    def send_parts(self, texts: Mapping[str, str]) -> dict[str, SQSError]:
        """Note what the message stands for."""
        self.parts += texts.values()
        return {}

    def delete_now(self) -> None:
        """Note that the message was deleted."""
        self.ack()

    def change_visibility(self, seconds: int) -> None:
        """Note for how long it was to be hidden."""
        self.visibility = seconds
