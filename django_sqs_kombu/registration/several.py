"""Several: what the items of send_many() have become, where they are not sent at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import kombu

from ..exceptions import SendFailure, SendManyFailed, SQSError
from ..names import DEFAULT_GROUP, FIFO
from ..transport.sending.dispatch import overtaking
from ..working.registered import Registered
from .batch_end import BatchSender
from .outgoing import Outgoing


@dataclass(frozen=True, slots=True)
class Several:
    """Messages that are checked, and wait to be sent.

    :param kept: those that SQS would take, with their items and the numbers of these.
    :param failures: the items that none could be made of.
    """

    receivers: BatchSender
    registered: Registered
    queue: kombu.Queue
    kept: list[tuple[int, Any, Outgoing]]
    failures: list[SendFailure]

    @classmethod
    def of(
        cls,
        receivers: BatchSender,
        registered: Registered,
        queue: kombu.Queue,
        items: Iterable[Any],
        encode: Callable[[Any], Outgoing],
    ) -> Several:
        """What *encode* makes of *items*; nothing is sent."""
        made = cls(receivers, registered, queue, [], [])
        failed: dict[str, SQSError] = {}
        for number, item in enumerate(items):
            try:
                outgoing = encode(item)
                made._check(outgoing, failed)
            except SQSError as exc:
                made.failures.append(SendFailure(number, item, exc))
                if exc.message_group is not None and queue.name.endswith(FIFO):
                    failed.setdefault(exc.message_group, exc)
            else:
                made.kept.append((number, item, outgoing))
        return made

    def count(self) -> int:
        """How many are kept.

        :raises SendManyFailed: SQS would refuse some; the others are.
        """
        if self.failures:
            raise SendManyFailed(self.queue.name, len(self.kept), self.failures, None)
        return len(self.kept)

    def send(
        self, parallel: int | None = None, progress: Callable[[int], None] | None = None
    ) -> int:
        """Send what is kept; return how many that are.

        :param parallel, progress: those of send_many().
        :raises SendManyFailed: some were not accepted; it names the caller's items.
        """
        kept = self.kept
        try:
            return self.receivers.send_bulk(
                self.registered,
                self.queue,
                kept,
                lambda each: each[2],
                parallel=parallel,
                progress=progress,
            )
        except SendManyFailed as exc:
            failures = [SendFailure(*kept[each.number][:2], each.error) for each in exc.failures]
            untried_from = exc.untried_from
            if untried_from is not None:
                untried_from = kept[untried_from][0] if untried_from < len(kept) else None
            cause = exc.__cause__ if isinstance(exc.__cause__, Exception) else None
            raise SendManyFailed(
                self.queue.name, exc.sent, failures, untried_from, cause
            ) from cause

    def send_late(self) -> int:
        """The same; what is raised names those as well of which no message could be made."""
        sent, failures, untried_from = len(self.kept), self.failures, None
        try:
            self.send()
        except SendManyFailed as exc:
            sent, untried_from = exc.sent, exc.untried_from
            # Whoever sends again what was not tried has these among it.
            own = [
                each for each in self.failures if untried_from is None or each.number < untried_from
            ]
            failures = sorted([*own, *exc.failures], key=lambda each: each.number)
        if failures or untried_from is not None:
            raise SendManyFailed(self.queue.name, sent, failures, untried_from)
        return sent

    def _check(self, outgoing: Outgoing, failed: Mapping[str, SQSError]) -> None:
        """Raise why one is not kept: SQS would refuse it, or one of its group has *failed*."""
        group = outgoing.group_id or DEFAULT_GROUP
        if group in failed:
            raise overtaking(failed[group], group)
        if self.receivers.outlet is None:
            try:
                self.receivers.check_unsent(self.registered, self.queue, outgoing)
            except SQSError as exc:
                exc.message_group = group
                raise
