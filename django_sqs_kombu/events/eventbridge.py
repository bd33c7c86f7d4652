"""EventBridgeEvent: what a rule of EventBridge's, or a schedule, has put into the queue."""

from __future__ import annotations

from datetime import datetime

from ..exceptions import MessageDecodeError
from .event import Event
from .reading import json_object, parsed, text_in, time_of


class EventBridgeEvent(Event):
    """An event of a bus; ``get_body()`` is its detail, a mapping or with ``model=`` a model.

    The rule must pass the whole event: no input path or transformer.

    :ivar source: who sent it, such as ``"aws.s3"`` or ``"com.example.shop"``.
    :ivar detail_type: what it is, such as ``"Object Created"``.
    :ivar event_id: its id.
    :ivar account: the id of the AWS account.
    :ivar region: the AWS region.
    :ivar resources: ARNs of what it is about.
    :ivar time: when it happened.
    """

    source = ""
    detail_type = ""
    event_id = ""
    account = ""
    region = ""
    resources: tuple[str, ...] = ()
    time: datetime | None = None

    def read(self, text: str) -> None:
        """Read an event with its detail."""
        event = self.event = parsed(text, "an EventBridge event")
        self.source, self.detail_type = text_in(event, "source"), text_in(event, "detail-type")
        detail = event.get("detail")
        if isinstance(detail, str):
            # EventBridge Scheduler writes "{}", where nothing else was chosen.
            detail = json_object(detail)
        if not (self.source and self.detail_type and isinstance(detail, dict)):
            raise MessageDecodeError(
                "Not an EventBridge event: source, detail-type or detail is missing. Does the "
                "rule's target transform its input?"
            )
        self.event_id = text_in(event, "id")
        self.account = text_in(event, "account")
        self.region = text_in(event, "region")
        resources = event.get("resources")
        self.resources = tuple(map(str, resources)) if isinstance(resources, list) else ()
        self.time = time_of(event.get("time"))
        self._hold(detail)
