"""SNSMessage: what was published to an SNS topic."""

from __future__ import annotations

from .event import Event
from .reading import json_object


class SNSMessage(Event):
    """A published message; ``get_body()`` is its text or, with ``model=``, the model from its JSON.

    The subscription may have raw message delivery or not.  Without it, ``notification`` has
    topic, subject, time and attributes.  With it, SNS's attributes are those of the message
    (``message_attributes``), and the topic is not known.
    """

    @property
    def topic(self) -> str | None:
        """The topic's ARN; None: raw message delivery."""
        return None if self.notification is None else self.notification.topic

    @property
    def subject(self) -> str | None:
        """What the publisher gave as subject; None: nothing, or raw message delivery."""
        return None if self.notification is None else self.notification.subject

    @property
    def published_attributes(self) -> dict[str, str]:
        """The attributes that it was published with, as text by name, in either delivery."""
        if self.notification is not None:
            return dict(self.notification.attributes)
        return {
            name: value["StringValue"]
            for name, value in self.message_attributes.items()
            if isinstance(value.get("StringValue"), str) and not name.startswith("django_sqs.")
        }

    def read(self, text: str) -> None:
        """Keep the text, whatever it is."""
        self.event = json_object(text) or {}
        self._hold(text)
