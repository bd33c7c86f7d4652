"""Event: the base of the message classes for what AWS's services write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import kombu

from ..exceptions import MessageDecodeError, MessageEncodeError
from ..messages import RawMessage, adapter_of, validated
from .notification import Notification, unwrapped


class Event(RawMessage):
    """An event that one of AWS's services wrote; ``get_body()`` returns its content.

    With ``model=`` in addition to ``message_class=`` the content is validated, and is an instance
    of the model.  Other parts of the event are attributes of the message.  A subclass reads them
    in :meth:`read`.

    :param body: the event as AWS writes it, as text or as a mapping, for tests.

    :ivar event: the whole event; empty for an :class:`SNSMessage` without JSON.
    :ivar notification: what SNS says about it, if it came through a topic without raw delivery.
    """

    #: The type of what is inside; None: it is not validated.
    model: ClassVar[Any] = None

    event: dict[str, Any]
    notification: Notification | None

    def __init__(self, queue: kombu.Queue | None = None, body: Any = None) -> None:
        super().__init__(queue, "" if body is None else body)

    @classmethod
    def carrying(cls, model: Any) -> type[Event]:
        """The same class with *model* as the type of what is inside.

        :raises ConfigurationError: pydantic is not installed, or cannot handle *model*.
        """
        adapter_of(model)
        return _carrying(cls, model)

    def set_body(self, body: Any) -> None:
        """Read the event *body*, as text or as a mapping.

        :raises MessageDecodeError: it is not of this kind, or what is inside is not valid.
        """
        super().set_body(body)
        self.event, self.notification = {}, None
        self._inside: Any = None
        self._parts: list[str] | None = None
        if body != "":
            self.notification, text = unwrapped(self.encode(body))
            self.read(text)

    def get_body(self) -> Any:
        """What is inside the event."""
        return self._inside

    def get_body_encoded(self) -> str:
        """The whole event, as AWS wrote it."""
        return self._encoded(self._body)

    def encode(self, value: Any) -> str:
        """The JSON of an event; one that is text already stays it."""
        if isinstance(value, str):
            return value
        if not isinstance(value, dict):
            raise MessageEncodeError(
                f"{type(self).__name__} is an event written by AWS. To make one, for example in a "
                "test, pass the whole event as body=, a mapping or its JSON, not "
                f"{type(value).__name__}"
            )
        return json.dumps(value)

    def decode(self, value: str) -> str:
        """The text itself, which :meth:`set_body` reads."""
        if not value.strip():
            raise MessageDecodeError(f"{type(self).__name__}: the body is empty")
        return value

    def parts(self) -> Sequence[str] | None:
        """One text for each record; empty: a test; None: the one that it is itself."""
        return self._parts

    def read(self, text: str) -> None:
        """Read an event that SNS does not wrap any more; a subclass sets what it tells.

        :raises MessageDecodeError: it is of another kind.
        """
        raise NotImplementedError

    def _hold(self, inside: Any) -> None:
        """Keep what is inside of the event, validated."""
        self._inside = inside if self.model is None else self._validated(inside)

    def _validated(self, inside: Any) -> Any:
        text = inside if isinstance(inside, str) else json.dumps(inside)
        return validated(self.model, lambda adapter: adapter.validate_json(text))


_made: dict[tuple[Any, Any], type[Event]] = {}


def _carrying(cls: type[Event], model: Any) -> type[Event]:
    # Of one pair the same class each time: what is sent is compared with it.
    made = _made.get((cls, model))
    if made is None:
        made = _made[cls, model] = type(f"{model.__name__}{cls.__name__}", (cls,), {"model": model})
    return made
