"""LostPart: a part of a message that its queue does not take, for those who hear of failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..transport.delivery import Delivery
from ..transport.holding.ahead import Ask
from ..transport.holding.note import Note
from ..transport.sending.splitting import Part


class LostPart:
    """A part, as if it had been delivered by itself and had failed for good.

    What is noted of it is written before the whole is settled in SQS.

    :param name: which part it is; a delivery is known by its receipt, and the whole has only one.
    :ivar channel: the whole's; None: nothing of it is left in SQS.
    """

    acknowledged = False
    is_foreign = True
    content_type: str | None = None

    def __init__(self, part: Part, whole: Delivery, name: str, *, buried: bool) -> None:
        self._whole = whole
        self.queue: str = part.queue
        self.message_id: str = part.message_id
        self.receive_count: int = whole.receive_count
        self.text = self.sqs_body = part.text
        self.payload: Any = part.text
        receipt = f"{part.sqs_message.get('ReceiptHandle')} {name}"
        self.sqs_message: Mapping[str, Any] = {**part.sqs_message, "ReceiptHandle": receipt}
        self.channel: Any = whole.channel if buried else None

    @property
    def has_note(self) -> bool:
        """Whether something must be written before the whole is settled."""
        return self._whole.has_note

    def also_note(self, note: Note) -> None:
        """Have something written before the whole is settled."""
        self._whole.also_note(note)

    def note(self, note: Note) -> None:
        """The same: what is noted of the whole, or of another part, stays."""
        self._whole.also_note(note)

    def note_start(self, note: Note) -> None:
        """The same: it is at its end."""
        self._whole.also_note(note)

    def ask_ahead(self, ask: Ask) -> Any:
        """What *ask* answers of its text; nothing waits behind it."""
        return ask([self.text])[0]

    def ack(self) -> None:
        """Nothing: it goes with the whole."""

    def change_visibility(self, seconds: int) -> None:
        """Nothing: it goes with the whole."""
