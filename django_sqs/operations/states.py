"""States: how many messages queues and their dead-letter queues have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django_sqs_kombu.exceptions import ConfigurationError, QueueDoesNotExist, SQSError
from django_sqs_kombu.transport import Pause, QueueCounts

from .asking import PATIENCE, side_by_side
from .queues import Target


@dataclass(frozen=True, slots=True)
class QueueState:
    """What SQS says of a queue.

    :param counts: its messages; None: it does not exist yet, or SQS could not be asked.
    :param dead: how many dead letters it has; None: it has no dead-letter queue, or that
        could not be asked.
    :param error: why SQS could not be asked, if it could not.
    :param pause: its pause, if it has one and that could be asked.
    """

    counts: QueueCounts | None = None
    dead: int | None = None
    error: str = ""
    pause: Pause | None = None


def states(
    chosen: Iterable[Target],
    *,
    dead_letters: bool = True,
    pauses: bool = True,
    patience: float | None = PATIENCE,
) -> list[QueueState]:
    """Ask SQS about queues, side by side; in the order of *chosen*.

    :param dead_letters: whether to ask about those, too, which takes more requests.
    :param pauses: whether to ask whether they are paused, which takes one more.
    :param patience: seconds to wait in all; None: until all are answered.
    """
    targets = list(chosen)
    asked = [_Question(target, dead_letters, pauses) for target in targets]
    answers = side_by_side({question.name: question for question in asked}, patience)
    found = (answers[question.name] for question in asked)
    return [QueueState(error=str(e)) if isinstance(e, SQSError) else e for e in found]


@dataclass(frozen=True, slots=True)
class _Question:
    target: Target
    dead_letters: bool
    pauses: bool

    @property
    def name(self) -> str:
        """What tells it from other questions."""
        return f"state of {self.target.full_name}, {self.dead_letters}, {self.pauses}"

    def __call__(self) -> QueueState:
        counts = self.target.counts()
        if counts is None:
            return QueueState()
        pause = self.target.pause() if self.pauses else None
        try:
            dead = self._dead_letters() if self.dead_letters else None
        except SQSError as exc:
            # The queue itself could be asked.
            return QueueState(counts, error=str(exc), pause=pause)
        return QueueState(counts, dead, pause=pause)

    def _dead_letters(self) -> int | None:
        try:
            return self.target.requests.counts(self.target.dead_letters).visible
        except (ConfigurationError, QueueDoesNotExist):
            return None
