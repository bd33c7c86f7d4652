"""Dead letters: the dead-letter queues of queues that are created.

Those that are created with them keep messages as long as SQS can, since SQS counts from the
first time that a message was sent: with the retention of their source dead letters would
vanish as early as if they had never failed.  And they take messages from their sources only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...exceptions import RequestFailed
from ...logs import get_logger
from ...quotas import MAX_RETENTION, MAX_SOURCES
from .calls import Calls
from .declaration import DEAD_LETTER_ARGUMENT

logger = get_logger(__name__)

_ALLOW = "RedriveAllowPolicy"


class DeadLetters:
    """Knows which queues are declared as dead-letter queues, and lets their sources use them.

    :param calls: what sends the requests.
    :param declarations: the arguments declared for queues, by name; others may add to them.
    """

    def __init__(self, calls: Calls, declarations: Mapping[str, Mapping[str, Any]]) -> None:
        self._calls = calls
        self._declarations = declarations
        #: By the queues that were created here: the ARNs of those that may use them.
        self._allowed: dict[str, list[str]] = {}

    def attributes(self, queue: str) -> dict[str, str]:
        """What *queue* is created with beside its declaration: something for dead letters."""
        sources = list(self._declarations.values())
        if not any(each.get(DEAD_LETTER_ARGUMENT) == queue for each in sources):
            return {}
        return {"MessageRetentionPeriod": str(MAX_RETENTION)}

    def created(self, queue: str) -> None:
        """Note that *queue* was created here, so that it may be restricted to its sources."""
        self._allowed.setdefault(queue, [])

    def arn(self, queue: str, source: str | None = None) -> str:
        """The ARN of the dead-letter queue *queue*, which is created where it does not exist.

        :param source: the name in SQS of a queue that is about to be created, and is to be
            allowed to use it.
        """
        # All, since some servers do not know every attribute, and refuse its name.
        names = ["All"] if source else ["QueueArn"]
        answer = self._calls.call("GetQueueAttributes", queue, AttributeNames=names)
        arn = str(answer["Attributes"]["QueueArn"])
        if source is not None:
            self._allow(queue, f"{arn.rpartition(':')[0]}:{source}", answer["Attributes"])
        return arn

    def _allow(self, queue: str, source_arn: str, attributes: Mapping[str, str]) -> None:
        known = _sources(attributes.get(_ALLOW))
        if known is None and queue not in self._allowed:
            # Somebody else's, who lets all queues use it, or none.
            return
        # SQS takes up to a minute to tell what was set.
        sources = list(dict.fromkeys([*(known or ()), *self._allowed.get(queue, ())]))
        if source_arn in sources:
            return
        sources.append(source_arn)
        self._allowed[queue] = sources
        allowed: dict[str, Any] = {"redrivePermission": "byQueue", "sourceQueueArns": sources}
        if len(sources) > MAX_SOURCES:
            allowed = {"redrivePermission": "allowAll"}
        try:
            self._calls.call("SetQueueAttributes", queue, Attributes={_ALLOW: json.dumps(allowed)})
        except RequestFailed as exc:
            logger.info(
                "The queues that may use the dead-letter queue %s could not be set: %s", queue, exc
            )


def _sources(policy: str | None) -> list[str] | None:
    """The queues that a policy allows one by one; None: it does not."""
    try:
        allowed = json.loads(policy) if policy else {}
        if allowed.get("redrivePermission") == "byQueue":
            return [str(arn) for arn in allowed["sourceQueueArns"]]
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        logger.warning("This redrive allow policy is not valid: %.200r", policy)
    return None
