"""Terms: what the pollers of a channel must know of their queues."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..sqs.declaration import COUNTS_ARGUMENT, DEAD_LETTER_ARGUMENT
from ..sqs.facts import QueueFacts
from ..sqs.requests import Requests

#: Seconds for which it is believed that a queue has no redrive policy, where messages are about
#: to be given back, or a consumer comes: SQS takes up to a minute to follow a new one.
RECENT = 60.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of a queue, asked of SQS where no declaration says it.

    :param seconds: the visibility timeout that its messages are received with.
    :param redrives: whether SQS moves what is received too often to a dead-letter queue, or
        receives count otherwise.
    """

    seconds: int
    redrives: bool


class QueueTerms:
    """The terms of the queues of one channel.

    A redrive policy may come at any time.  An idle queue is not asked about it: its polls go by
    what was learnt last, by whomever.  It is asked when it matters, see :meth:`recent`.

    :param requests: what asks SQS.
    :param declarations: the arguments declared for queues, by name; others may add to them.
    """

    def __init__(self, requests: Requests, declarations: Mapping[str, Mapping[str, Any]]) -> None:
        self._requests = requests
        self._declarations = declarations
        #: By queue: the latest that SQS said itself, and was not assumed.
        self._said: dict[str, QueueFacts] = {}
        #: By queue: what was learnt and what was declared, and the terms that were made of these.
        self._made: dict[str, tuple[QueueFacts | None, object, Terms]] = {}

    def known(self, queue: str) -> Terms:
        """What was learnt last; a request only while nothing was."""
        return self._terms(queue, None)

    def declared(self, queue: str) -> Terms | None:
        """What may be assumed until more is known; None: its visibility timeout is not declared.

        Receives are taken to count.
        """
        seconds = self._declarations.get(queue, {}).get("VisibilityTimeout")
        return None if seconds is None else Terms(int(float(seconds)), redrives=True)

    def at_hand(self, queue: str) -> Terms | None:
        """What was learnt last; None: there is something to ask for."""
        # Asked before each poll: both are other objects when something else is known.
        facts, declared = self._requests.learnt(queue), self._declarations.get(queue)
        made = self._made.get(queue)
        if made is not None and made[0] is facts and made[1] is declared:
            return made[2]
        if not self._is_known(queue):
            return None
        terms = self.known(queue)
        self._made[queue] = facts, declared, terms
        return terms

    def is_recent(self, queue: str) -> bool:
        """Whether :meth:`recent` asks for nothing."""
        return self._is_known(queue, within=RECENT)

    def _is_known(self, queue: str, *, within: float = math.inf) -> bool:
        declared = self._declarations.get(queue, {})
        if "VisibilityTimeout" in declared and _counts(declared):
            return True
        facts = self._requests.learnt(queue, within=within)
        return facts is not None and facts.known

    def recent(self, queue: str) -> Terms:
        """What was learnt within :data:`RECENT` seconds, or else is asked for now."""
        return self._terms(queue, RECENT)

    def _terms(self, queue: str, known_for: float | None) -> Terms:
        declared = self._declarations.get(queue, {})
        seconds, redrives = declared.get("VisibilityTimeout"), _counts(declared)
        if seconds is None or not redrives:
            facts = self._facts(queue, known_for)
            redrives = redrives or facts.redrive is not None
            if seconds is None:
                # Each receive says it, so that it need not be the queue's own of today.
                seconds = self._said.get(queue, facts).visibility_timeout
        return Terms(int(float(seconds)), redrives)

    def _facts(self, queue: str, known_for: float | None) -> QueueFacts:
        facts = self._requests.learnt(queue)
        if facts is None or not facts.known:
            facts = self._requests.facts(queue)
        elif known_for is not None and facts.redrive is None:
            facts = self._requests.facts(queue, known_for=known_for)
        if facts.known:
            self._said[queue] = facts
        return facts


def _counts(declared: Mapping[str, Any]) -> bool:
    """Whether receives count as the queue is declared."""
    return DEAD_LETTER_ARGUMENT in declared or bool(declared.get(COUNTS_ARGUMENT))
