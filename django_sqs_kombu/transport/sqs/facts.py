"""Facts: what a queue is in SQS, asked once in a while."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...printable import NAME, quoted

#: Seconds that are assumed where a queue's visibility timeout cannot be learnt: SQS's default.
ASSUMED_VISIBILITY_TIMEOUT = 30
#: Seconds that facts are used before they are asked for again.
KNOWN_FOR = 300.0
#: The same for what decides whether a message is deleted or its receives count, which cannot be
#: undone: a redrive policy may be new, and SQS takes up to a minute to follow it anyway.
FRESH = 5.0
#: The same for what is assumed: the permission, or SQS, may come back.
ASSUMED_FOR = 30
#: Seconds that are assumed where it cannot be learnt how long a queue keeps a message: SQS's
#: default.
ASSUMED_RETENTION = 345_600
NAMES = ("VisibilityTimeout", "RedrivePolicy", "MessageRetentionPeriod")


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """What SQS does with a message that was received too often.

    :param dead_letter_arn: the queue that it is moved to; empty where the policy is assumed.
    :param max_receives: how many receives a message has.
    """

    dead_letter_arn: str
    max_receives: int

    @property
    def is_assumed(self) -> bool:
        """Whether SQS never said so."""
        return not self.dead_letter_arn

    @property
    def dead_letter_name(self) -> str:
        """The name of that queue; empty where the policy is assumed."""
        return self.dead_letter_arn.rpartition(":")[2]


#: In doubt there is a policy, of the strictest kind: with one a rejected message is left to
#: SQS, without one it is deleted.
ASSUMED_REDRIVE = RedrivePolicy("", 1)


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What a queue is in SQS.

    :param visibility_timeout: seconds that a received message stays hidden.
    :param redrive: its redrive policy, if it has one.
    :param known: whether SQS said so; else it is assumed.
    :param retention: seconds that it keeps a message.
    """

    visibility_timeout: int
    redrive: RedrivePolicy | None
    known: bool
    retention: int = ASSUMED_RETENTION


ASSUMED = QueueFacts(ASSUMED_VISIBILITY_TIMEOUT, ASSUMED_REDRIVE, known=False)


def in_doubt(before: QueueFacts) -> QueueFacts:
    """What is assumed of a queue that cannot be asked about now: what it was, *before*.

    But that it had no redrive policy is no reason to take it that it has none.
    """
    return replace(before, redrive=before.redrive or ASSUMED_REDRIVE, known=False)


def facts_of(attributes: Mapping[str, str]) -> QueueFacts:
    """The facts that the *attributes* of a queue are, which SQS answered."""
    return QueueFacts(
        visibility_timeout=int(attributes["VisibilityTimeout"]),
        redrive=redrive_policy(attributes.get("RedrivePolicy")),
        known=True,
        retention=int(attributes.get("MessageRetentionPeriod", ASSUMED_RETENTION)),
    )


def redrive_policy(text: str | None) -> RedrivePolicy | None:
    """The redrive policy that the attribute *text* is.

    :raises ValueError: it is not of SQS's form.
    """
    if not text:
        return None
    try:
        policy = json.loads(text)
        return RedrivePolicy(str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"]))
    except (LookupError, RecursionError, TypeError, ValueError) as exc:
        raise ValueError(f"{quoted(text, NAME)} is not a redrive policy") from exc
