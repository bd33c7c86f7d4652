"""CloudWatchAlarm: an alarm of CloudWatch's that has changed its state."""

from __future__ import annotations

from datetime import datetime

from ..exceptions import MessageDecodeError
from .event import Event
from .reading import parsed, part_of, text_in, time_of


class CloudWatchAlarm(Event):
    """A change of an alarm's state, sent through an SNS topic; ``get_body()`` is all of it.

    The alarm is on a metric, or composite.  Alarms through EventBridge are
    :class:`EventBridgeEvent`.

    :ivar name: the alarm's name.
    :ivar state: ``"ALARM"``, ``"OK"`` or ``"INSUFFICIENT_DATA"``.
    :ivar old_state: the state before.
    :ivar reason: CloudWatch's words for it.
    :ivar description: the alarm's description; may be empty.
    :ivar arn: the alarm's ARN.
    :ivar metric: namespace and name of the metric; None unless it has exactly one.
    :ivar time: when the state changed.
    """

    name = ""
    state = ""
    old_state = ""
    reason = ""
    description = ""
    arn = ""
    metric: tuple[str, str] | None = None
    time: datetime | None = None

    def read(self, text: str) -> None:
        """Read a change of state."""
        event = self.event = parsed(text, "a CloudWatch alarm")
        self.name, self.state = text_in(event, "AlarmName"), text_in(event, "NewStateValue")
        if not (self.name and self.state):
            hint = ": it came through EventBridge, use EventBridgeEvent"
            came_by_bus = "detail-type" in event
            raise MessageDecodeError(
                f"Not a CloudWatch alarm{hint if came_by_bus else ': no name or state'}"
            )
        self.old_state = text_in(event, "OldStateValue")
        self.reason = text_in(event, "NewStateReason")
        self.description = text_in(event, "AlarmDescription")
        self.arn = text_in(event, "AlarmArn")
        trigger = part_of(event, "Trigger")
        metric = text_in(trigger, "Namespace"), text_in(trigger, "MetricName")
        self.metric = metric if all(metric) else None
        self.time = time_of(event.get("StateChangeTime"))
        self._hold(event)
