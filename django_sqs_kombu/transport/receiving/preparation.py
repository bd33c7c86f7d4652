"""Preparation: what must be known of a queue before it is polled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count

from ...exceptions import QueueDoesNotExist
from ..sqs.abort import RequestAborted
from ..sqs.calls import Begun, Result
from ..sqs.facts import NAMES
from .consumption import Receiving
from .pause_watch import PauseWatch
from .polls import before_polls
from .returns import Returns
from .turns import Turns

#: Seconds that an answer may take until a thread waits for it that tries more than once.
PATIENCE = 10.0

#: How many queues are asked about side by side, where no thread waits for it: a round trip must
#: not be waited for by each of a thousand queues in turn, nor SQS be asked about all at once.
_turns = Turns(64)

Done = Callable[[Exception | None], None]


def _first_of(done: Done) -> Done:
    """*done*, but only for the first call.

    Where no thread can be started, an answer is heard where it was asked for, and what fails in
    hearing it fails there as well.
    """
    left = [done]

    def called(failure: Exception | None) -> None:
        try:
            first = left.pop()
        except IndexError:
            return
        first(failure)

    return called


class Preparation:
    """Asks SQS about one queue; it has no thread.

    At first all is asked for that can be without a thread which waits. Whatever came of that,
    a thread asks for what is still not known, and creates the queue.

    Where other queues wait for their turn, and the visibility timeout is declared, the queue's
    attributes are asked for when all are polled: until they are known receives are taken to
    count, which harms nobody.

    :param queue: the queue's name.
    :param shared: what the pollers of its channel share.
    :param returns: where the terms are kept that it learns.
    :param watch: looks for the first time with it.
    :param stopping: whether nothing needs to be known any more.
    """

    def __init__(
        self,
        queue: str,
        shared: Receiving,
        returns: Returns,
        watch: PauseWatch,
        stopping: Callable[[], bool],
    ) -> None:
        self._queue = queue
        self._shared = shared
        self._returns = returns
        self._watch = watch
        self._stopping = stopping
        self._is_first = True
        #: Whether its attributes may be asked for later, and whether they are about to be.
        self._can_wait = self._learns = False
        self._under_way: list[Begun] = []

    def at_hand(self) -> bool:
        """Whether nothing needs to be asked for now; what was learnt last counts then."""
        return self._returns.terms is not None and (self._learns or self._know())

    def _know(self) -> bool:
        if not self._shared.queues.compared(self._queue):
            return False
        terms = self._shared.terms.at_hand(self._queue)
        if terms is not None:
            self._returns.terms = terms
        return terms is not None

    def begin(self, done: Done) -> None:
        """Ask; *done* is called when all is known, or with what is in the way, from any thread."""
        if not self._is_first:
            self._ask_in_thread(done)
            return
        self._is_first = False
        job = partial(self._ask_first, done)
        if self._shared.requests.is_ready(self._queue) and not self._is_to_list():
            _turns.begin(job)
        else:
            before_polls(self._make_ready, lambda error: _turns.begin(job))

    def break_off(self) -> None:
        """Wait for no answer any more; from any thread."""
        for begun in list(self._under_way):
            begun.break_off()

    # Without a thread that waits.

    def _make_ready(self) -> None:
        # Whoever asks for something says what is wrong.
        with suppress(Exception):
            self._shared.requests.make_ready(self._queue)
            if self._is_to_list():
                self._shared.listing.find()

    def _is_to_list(self) -> bool:
        return not self._stopping() and self._shared.listing.is_due(self._queue)

    def _ask_first(self, done: Done, ended: Callable[[], None]) -> None:
        @_first_of
        def then(failure: Exception | None) -> None:
            ended()
            self._under_way = []
            self._go_on(failure, done)

        try:
            self._ask_url(then)
        except Exception as exc:  # noqa: BLE001 - the queue is asked about again
            then(exc)

    def _go_on(self, failure: Exception | None, done: Done) -> None:
        """Ask for what is still not known, after all that needed no thread; raises nothing."""
        try:
            if failure is None and self._stopping():
                failure = RequestAborted()
            # A queue that was listed may have been deleted just before: it is created there.
            asks = failure is None or isinstance(failure, QueueDoesNotExist)
            if asks and not self._is_known():
                self._ask_in_thread(done)
                return
        except Exception as exc:  # noqa: BLE001 - whoever polls says it, and tries again
            failure = exc
        done(failure)

    def _is_known(self) -> bool:
        """Whether it may be polled now; what may be known later is asked for."""
        if self._watch.is_to_learn or self._shared.requests.account.url(self._queue) is None:
            return False
        if self._shared.terms.is_recent(self._queue) and self._know():
            return True
        declared = self._shared.terms.declared(self._queue)
        if declared is None or not self._can_wait:
            return False
        self._returns.terms = declared
        self._learns = True
        _turns.begin_later(self._learn)
        return True

    def _learn(self, ended: Callable[[], None]) -> None:
        """Ask for what may be known later; what then is not is asked for before the next poll."""

        @_first_of
        def heard(failure: Exception | None) -> None:
            ended()
            self._under_way = []
            self._learns = False
            # Else it is assumed for as long as the poll under way lasts.
            if failure is None:
                self._know()

        try:
            if self._stopping():
                heard(RequestAborted())
            elif self._shared.queues.compares_without_asking(self._queue):
                self._keep(self._begin_attributes(heard))
            else:
                before_polls(partial(self._shared.queues.compare_once, self._queue), heard)
        except Exception as exc:  # noqa: BLE001 - the queue is asked about again
            heard(exc)

    def _ask_url(self, then: Done) -> None:
        requests = self._shared.requests
        if self._stopping() or not requests.is_ready(self._queue):
            then(None)
        elif requests.account.url(self._queue) is not None:
            self._ask_rest(then)
        else:
            self._keep(requests.begin_url(self._queue, partial(self._ask_more, then), PATIENCE))

    def _ask_more(self, then: Done, answer: Result) -> None:
        if isinstance(answer, Exception) or self._stopping():
            then(None)
            return
        try:
            self._ask_rest(then)
        except Exception as exc:  # noqa: BLE001 - the queue is asked about again
            then(exc)

    def _ask_rest(self, then: Done) -> None:
        asks: list[Callable[[Done], Begun]] = []
        declared = self._shared.terms.declared(self._queue) is not None
        self._can_wait = declared and _turns.crowded
        if not self._can_wait and self._asks_attributes():
            asks.append(self._begin_attributes)
        if self._watch.is_to_learn:
            asks.append(partial(self._watch.begin, seconds=PATIENCE))
        left = count(len(asks) - 1, -1)
        failures: list[Exception] = []

        def one_more(failure: Exception | None) -> None:
            if failure is not None:
                failures.append(failure)
            # The answers may come side by side.
            if next(left) == 0:
                then(failures[0] if failures else None)

        for ask in asks:
            self._keep(ask(one_more))
        if not asks:
            then(None)

    def _keep(self, begun: Begun) -> None:
        self._under_way.append(begun)
        if self._stopping():
            # It may have been too early for that.
            begun.break_off()

    def _asks_attributes(self) -> bool:
        queues, terms = self._shared.queues, self._shared.terms
        if queues.compared(self._queue):
            return not terms.is_recent(self._queue)
        return queues.compares_without_asking(self._queue)

    def _begin_attributes(self, done: Done) -> Begun:
        compares = not self._shared.queues.compared(self._queue)
        requests = self._shared.requests

        def heard(answer: Result) -> None:
            try:
                if not isinstance(answer, Exception):
                    requests.learn(self._queue, answer["Attributes"])
                    if compares:
                        self._shared.queues.compare(self._queue, answer["Attributes"])
            finally:
                # A thread asks again, or assumes something.
                done(None)

        names = ["All"] if compares else list(NAMES)
        return requests.begin(
            "GetQueueAttributes", self._queue, {"AttributeNames": names}, heard, seconds=PATIENCE
        )

    # In a thread.

    def _ask_in_thread(self, done: Done) -> None:
        before_polls(self._ask, done)

    def _ask(self) -> None:
        """Ask; it waits for the answers.

        :raises RequestFailed: the queue cannot be polled now.
        """
        if self._stopping():
            raise RequestAborted
        self._shared.queues.compare_once(self._queue)
        self._watch.learn()
        terms = self._shared.terms
        first = self._returns.terms is None
        self._returns.terms = terms.recent(self._queue) if first else terms.known(self._queue)
        if first:
            self._shared.requests.make_ready(self._queue)
