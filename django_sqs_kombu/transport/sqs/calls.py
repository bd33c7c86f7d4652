"""Calls: one request to SQS about a queue, its URL filled in and its errors explained."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from ...exceptions import QueueDoesNotExist, QueueNotPredefined, RequestFailed
from ...logs import get_logger
from .abort import RequestAborted
from .answers import check
from .clients import Account
from .doubts import note_try
from .failures import are_missing, are_refused, explained, may_pass, understood
from .forks import renew_after_fork
from .request_ids import request_id
from .threads import ThreadedCall, aside, polls, work
from .tries import few_times
from .waits import answered_within, is_worth_another, time_is_short
from .wire.choice import HOT, Lane
from .wire.signing import Keys

logger = get_logger(__name__)

#: What is tried once: whoever asks for it tries it again himself, and must not be held up by
#: botocore's tries while leases run out.
_ONCE = frozenset(
    {
        "ChangeMessageVisibilityBatch",
        "DeleteMessageBatch",
        "ListQueues",
        "ListQueueTags",
        "ReceiveMessage",
    }
)
#: About a message or a queue that was there: they never create the queue again.
_SETTLING = frozenset(
    {
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "DeleteMessage",
        "DeleteMessageBatch",
        "DeleteQueue",
    }
)
_URL = "GetQueueUrl"


Result = dict[str, Any] | Exception
Done = Callable[[Result], None]


class Begun(Protocol):
    """A request under way that nobody waits for."""

    def break_off(self) -> None:
        """End it now, without an answer; from any thread."""


class _Nothing:
    """Nothing is under way any more."""

    def break_off(self) -> None:
        """There is nothing to end."""


_NOTHING = _Nothing()


class Calls:
    """Requests over the clients of an account; safe to use from any thread.

    :param account: whose clients and names they use.
    :ivar create: creates a queue that does not exist, and returns its URL; None: such a queue
        is an error.
    :ivar made: how many requests about queues were made, by operation.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.create: Callable[[str], str] | None = None
        self.made: Counter[str] = Counter()
        # A signal's handler may send while its thread counts.
        self._counting = threading.RLock()
        renew_after_fork(self)

    def client(self, queue: str) -> Any:
        """The boto3 client that serves *queue*."""
        return self.account.client(queue)

    def call(self, operation: str, queue: str, **params: Any) -> dict[str, Any]:
        """Send one request, such as ``"SendMessage"``, about *queue*.

        :raises RequestFailed: or a subclass that says what is wrong.
        """
        url = self.existing_url(queue) if operation in _SETTLING else self.url(queue)
        self._count(operation)
        params = {"QueueUrl": url, **params}
        return self._called(
            operation, queue, params, lambda name: self._answer(operation, queue, name, params)
        )

    def call_over_botocore(self, operation: str, queue: str, **params: Any) -> dict[str, Any]:
        """As :meth:`call`, for a request that failed over libcurl."""
        self._count(operation)
        params = {"QueueUrl": self.url(queue), **params}
        return self._called(
            operation,
            queue,
            params,
            lambda name: self._over_botocore(operation, queue, name, params),
        )

    def make_ready(self, queue: str) -> None:
        """Make what sends what is begun about *queue*, in a thread that may wait.

        What was not made is made by the first such request, in a thread of its own.
        """
        lane = self.account.lane(queue)
        if lane is not None:
            lane.make_ready()

    def is_ready(self, queue: str) -> bool:
        """Whether what is begun about *queue* takes no thread, and waits for nothing."""
        lane = self.account.lane_made(queue)
        return lane is not None and lane.ready(_URL) is not None

    def begin(
        self,
        operation: str,
        queue: str,
        params: dict[str, Any],
        done: Done,
        *,
        seconds: float | None = None,
    ) -> Begun:
        """Send one request about *queue*, and do not wait for its answer.

        Over libcurl no thread waits for it; else one of its own does.

        :param done: called once, from any thread, with the answer, or with what :meth:`call`
            would have raised.  It must be quick.
        :param seconds: how long the answer may take; None: as long as usual.
        """
        lane, url = self._lane_made(operation, queue)
        keys = None if lane is None else lane.ready(operation)
        if lane is None or keys is None:
            return self._begin_in_thread(operation, queue, params, done, seconds)
        self._count(operation)
        params = {"QueueUrl": url, **params}
        return self._begin_over(lane, keys, operation, queue, params, done, seconds)

    def begin_url(self, queue: str, done: Done, seconds: float) -> Begun:
        """As :meth:`begin`, to ask for the URL of *queue*, which is known when *done* is called.

        It is not asked where somebody would have to wait before.
        """
        lane = self.account.lane_made(queue)
        keys = None if lane is None else lane.ready(_URL)
        if lane is None or keys is None:
            done(RequestAborted())
            return _NOTHING
        name = self.account.canonical(queue)

        def got(answer: Result) -> None:
            if not isinstance(answer, Exception):
                self.account.urls[name] = str(answer["QueueUrl"])
            done(answer)

        return self._begin_over(lane, keys, _URL, queue, {"QueueName": name}, got, seconds)

    def _begin_over(
        self,
        lane: Lane,
        keys: Keys,
        operation: str,
        queue: str,
        params: dict[str, Any],
        done: Done,
        seconds: float | None,
    ) -> Begun:
        try:
            ended = partial(self._ended, operation, queue, params, done)
            begun: Begun | None = lane.begin(operation, params, keys, seconds, ended)
        except RuntimeError as exc:
            # No thread can be started that waits for the answer.
            done(exc)
            begun = None
        return begun or _NOTHING

    def _lane_made(self, operation: str, queue: str) -> tuple[Lane | None, str | None]:
        """What sends a request at once, where it is made and the queue's URL is known; and that."""
        try:
            url = self.account.url(queue) if operation in HOT else None
        except QueueNotPredefined:
            url = None
        return (None if url is None else self.account.lane_made(queue)), url

    def _ended(
        self, operation: str, queue: str, params: dict[str, Any], done: Done, result: Result
    ) -> None:
        """A request that nobody waited for has ended."""
        if isinstance(result, RequestAborted):
            done(result)
            return
        if not isinstance(result, Exception):
            try:
                check(operation, queue, params, result)
            except Exception:  # noqa: BLE001, S110 - explained below, as all that fails
                pass
            else:
                done(result)
                _say_answered(operation, queue, result)
                return
        # To explain it may mean to look for credentials.
        aside(lambda: done(self._failure(operation, queue, params, result)))

    def _failure(
        self, operation: str, queue: str, params: dict[str, Any], result: Result
    ) -> Result:
        def got(name: str) -> dict[str, Any]:
            with understood(operation, name):
                if isinstance(result, Exception):
                    raise result
                return result

        try:
            return self._called(operation, queue, params, got)
        except Exception as exc:  # noqa: BLE001 - whoever asked decides
            return exc

    def _begin_in_thread(
        self,
        operation: str,
        queue: str,
        params: dict[str, Any],
        done: Done,
        seconds: float | None,
    ) -> Begun:
        def ask() -> None:
            answer: Result
            try:
                if seconds is None:
                    answer = self.call(operation, queue, **params)
                else:
                    # Not within the block, which is for the request alone.
                    self.url(queue)
                    with answered_within(seconds):
                        answer = self.call(operation, queue, **params)
            except Exception as exc:  # noqa: BLE001 - whoever asked decides
                answer = exc
            done(answer)

        call = ThreadedCall(ask, lambda: done(RequestAborted()))
        if operation != "ReceiveMessage":
            aside(call.run, work)
            return call
        try:
            polls.run(call.run)
        except RuntimeError as exc:
            done(exc)
        return call

    def _count(self, operation: str) -> None:
        with self._counting:
            self.made[operation] += 1

    def _called(
        self,
        operation: str,
        queue: str,
        params: dict[str, Any],
        get: Callable[[str], dict[str, Any]],
    ) -> dict[str, Any]:
        """What *get* returns, its errors explained, and what follows from them done.

        :param get: is given the name of *queue* as whoever looks into SQS finds it.
        """
        try:
            return self._explained(operation, queue, params, get)
        except QueueDoesNotExist:
            if not self.account.predefined:
                # It was deleted; a queue of that name that comes later is found again.
                self.account.urls.pop(self.account.canonical(queue), None)
            raise

    def ask(self, operation: str, queue: str, **params: Any) -> dict[str, Any]:
        """Send one request that names *queue* in its own way, not by its URL.

        :raises RequestFailed: or a subclass that says what is wrong.
        """
        return self._explained(
            operation, queue, params, lambda name: self._answer(operation, queue, name, params)
        )

    def _explained(
        self,
        operation: str,
        queue: str,
        params: dict[str, Any],
        get: Callable[[str], dict[str, Any]],
    ) -> dict[str, Any]:
        # As whoever looks into SQS, or writes a policy, finds it.
        name = queue if self.account.predefined else self.account.canonical(queue)
        try:
            with explained(operation, name, self.account.endpoint):
                answer = get(name)
        except RequestFailed as exc:
            logger.debug("%s on queue %s failed: %s", operation, name, exc)
            # There may be others now: in a file, of a profile, from a metadata service.
            if are_missing(exc):
                self.account.renew_credentials(queue, at_once=True)
            elif are_refused(exc):
                self.account.renew_credentials(queue, at_once=False)
            raise
        check(operation, name, params, answer)
        _say_answered(operation, name, answer)
        return answer

    def _answer(
        self, operation: str, queue: str, name: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        lane = self.account.lane(queue) if operation in HOT else None
        if lane is None:
            return self._over_botocore(operation, queue, name, params)
        once = operation in _ONCE
        few = not once and time_is_short()

        def over_libcurl() -> dict[str, Any]:
            with understood(operation, name):
                try:
                    return lane.call(operation, params)
                except (BotoCoreError, ClientError) as exc:
                    note_try(exc)
                    raise

        try:
            return few_times(over_libcurl) if few else over_libcurl()
        except (BotoCoreError, ClientError) as exc:
            if once or few or not (may_pass(exc) and is_worth_another()):
                raise
            # What can be tried again, and how often, is botocore's to say.
            logger.debug("%s on queue %s is left to botocore: %s", operation, queue, exc)
        return self._over_botocore(operation, queue, name, params)

    def _over_botocore(
        self, operation: str, queue: str, name: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        once = operation in _ONCE
        few = not once and time_is_short()
        client = self.account.client(queue, once=once or few)

        def over_botocore() -> dict[str, Any]:
            with understood(operation, name):
                answer: dict[str, Any] = getattr(client, xform_name(operation))(**params)
            return answer

        return few_times(over_botocore) if few else over_botocore()

    def url(self, queue: str) -> str:
        """The URL of *queue*, which is created where it may be and does not exist."""
        try:
            return self.existing_url(queue)
        except QueueNotPredefined:
            raise
        except QueueDoesNotExist:
            if self.create is None or not self.account.create_queues:
                raise
            return self.create(queue)

    def existing_url(self, queue: str) -> str:
        """The URL of *queue*, from GetQueueUrl when it is first needed.

        :raises QueueDoesNotExist: there is no such queue.
        """
        known = self.account.url(queue)
        if known is not None:
            return known
        name = self.account.canonical(queue)
        url = str(self.ask(_URL, queue, QueueName=name)["QueueUrl"])
        self.account.urls[name] = url
        return url

    def renew_after_fork(self) -> None:
        """Have a lock of its own, in a forked child."""
        self._counting = threading.RLock()


def _say_answered(operation: str, queue: str, answer: dict[str, Any]) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        told = request_id(answer) or "without an id"
        logger.debug("%s on queue %s was answered: request %s", operation, queue, told)
