"""Rows: what the pages show of each queue."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from django_sqs_kombu.transport import Pause, QueueCounts

from .pausing import describe
from .sparkline import sparkline

MINUTES = 60


@dataclass(slots=True)
class Hour:
    """What the receivers of a queue did in the last hour, by the minute, the oldest first.

    :param received: messages in each minute, and *failed* those that were rejected.
    :param seconds: that receivers ran, in all.
    :param waited: the longest wait of a message in the last five minutes, in seconds.
    """

    received: list[int] = field(default_factory=lambda: [0] * MINUTES)
    failed: list[int] = field(default_factory=lambda: [0] * MINUTES)
    seconds: float = 0.0
    waited: float = 0.0

    @property
    def line(self) -> SafeString:
        """Messages and failures as a sparkline."""
        received, failed = self.received_total, self.failed_total
        came = ngettext(
            "%(count)d message received in the last hour",
            "%(count)d messages received in the last hour",
            received,
        )
        lost = ngettext("%(count)d failure", "%(count)d failures", failed)
        label = f"{came % {'count': received}}, {lost % {'count': failed}}"
        return sparkline(self.received, label, self.failed if self.failed_total else ())

    @property
    def received_total(self) -> int:
        """Messages received in the last hour."""
        return sum(self.received)

    @property
    def failed_total(self) -> int:
        """Failures of the last hour."""
        return sum(self.failed)

    @property
    def average(self) -> float | None:
        """Seconds that a receiver took, on average."""
        return self.seconds / self.received_total if self.received_total else None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A line of the page.

    :param label: the queue's name without prefix, and *full_name* that in SQS.
    :param counts: its messages, *dead* its dead letters and *error* why SQS could not be
        asked, as :class:`~django_sqs.operations.states.QueueState` has them.
    :param receives: whether it has a receiver.
    :param own: whether it is the registered queue itself, not one of its suffixes: workers
        count by registered queue.
    :param running: how many receivers run.
    :param oldest: the age of its oldest message in seconds, where CloudWatch tells.
    :param pause: its pause, if it has one.
    """

    label: str
    full_name: str
    counts: QueueCounts | None
    dead: int | None
    error: str
    receives: bool
    own: bool
    running: int
    oldest: float | None
    hour: Hour
    pause: Pause | None = None

    @property
    def paused(self) -> str:
        """Its pause in words; empty: it has none."""
        return describe(self.pause) if self.pause else ""
