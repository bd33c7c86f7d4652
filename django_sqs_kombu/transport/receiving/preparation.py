"""Preparation: what must be known of a queue before it is polled."""

from __future__ import annotations

from .consumption import Receiving
from .pause_watch import PauseWatch
from .returns import Returns


class Preparation:
    """Asks SQS about one queue; it has no thread.

    :param queue: the queue's name.
    :param shared: what the pollers of its channel share.
    :param returns: where the terms are kept that it learns.
    :param watch: looks for the first time with it.
    """

    def __init__(self, queue: str, shared: Receiving, returns: Returns, watch: PauseWatch) -> None:
        self._queue = queue
        self._shared = shared
        self._returns = returns
        self._watch = watch

    def at_hand(self) -> bool:
        """Whether nothing needs to be asked for now; what was learnt last counts then."""
        if self._returns.terms is None or not self._shared.queues.compared(self._queue):
            return False
        terms = self._shared.terms.at_hand(self._queue)
        if terms is not None:
            self._returns.terms = terms
        return terms is not None

    def ask(self) -> None:
        """Ask; it waits for the answers.

        :raises RequestFailed: the queue cannot be polled now.
        """
        self._shared.queues.compare_once(self._queue)
        self._watch.learn()
        terms = self._shared.terms
        first = self._returns.terms is None
        self._returns.terms = terms.recent(self._queue) if first else terms.known(self._queue)
        if first:
            self._shared.requests.make_ready(self._queue)
