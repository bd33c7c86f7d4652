"""Connected: what a channel needs to know of the connection that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .receiving.inbox import Inbox
from .sqs.clients import Account


class Connected(Protocol):
    """A transport, which for Kombu is the connection of its channels."""

    client: Any
    account: Account | None
    declarations: dict[str, dict[str, Any]]
    inbox: Inbox
    #: What delivers on an event loop; None: somebody drains events.
    event_loop: Any
    channels: Sequence[Any]
