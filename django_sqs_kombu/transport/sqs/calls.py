"""Calls: one request to SQS about a queue, its URL filled in and its errors explained."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from ...exceptions import (
    QueueDoesNotExist,
    QueueNotPredefined,
    RequestFailed,
)
from ...logs import get_logger
from .answers import check
from .clients import Account
from .failures import are_missing, are_refused, explained, may_pass, understood
from .forks import renew_after_fork
from .wire.choice import HOT

logger = get_logger(__name__)

#: What is tried once: whoever asks for it tries it again himself, and must not be held up by
#: botocore's tries while leases run out.
_ONCE = frozenset(
    {"ChangeMessageVisibilityBatch", "DeleteMessageBatch", "ListQueues", "ReceiveMessage"}
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
        self._counting = threading.Lock()
        renew_after_fork(self)

    def client(self, queue: str) -> Any:
        """The boto3 client that serves *queue*."""
        return self.account.client(queue)

    def call(self, operation: str, queue: str, **params: Any) -> dict[str, Any]:
        """Send one request, such as ``"SendMessage"``, about *queue*.

        :raises RequestFailed: or a subclass that says what is wrong.
        """
        url = self.existing_url(queue) if operation in _SETTLING else self.url(queue)
        with self._counting:
            self.made[operation] += 1
        try:
            return self.ask(operation, queue, QueueUrl=url, **params)
        except QueueDoesNotExist:
            if not self.account.predefined:
                # It was deleted; a queue of that name that comes later is found again.
                self.account.urls.pop(self.account.canonical(queue), None)
            raise

    def ask(self, operation: str, queue: str, **params: Any) -> dict[str, Any]:
        """Send one request that names *queue* in its own way, not by its URL.

        :raises RequestFailed: or a subclass that says what is wrong.
        """
        # As whoever looks into SQS, or writes a policy, finds it.
        name = queue if self.account.predefined else self.account.canonical(queue)
        try:
            with explained(operation, name, self.account.endpoint):
                answer = self._answer(operation, queue, name, params)
        except RequestFailed as exc:
            # There may be others now: in a file, of a profile, from a metadata service.
            if are_missing(exc):
                self.account.renew_credentials(queue, at_once=True)
            elif are_refused(exc):
                self.account.renew_credentials(queue, at_once=False)
            raise
        check(operation, name, params, answer)
        return answer

    def _answer(
        self, operation: str, queue: str, name: str, params: dict[str, Any]
    ) -> dict[str, Any]:
        once = operation in _ONCE
        lane = self.account.lane(queue, once=once) if operation in HOT else None
        if lane is not None:
            try:
                with understood(operation, name):
                    return lane.call(operation, params)
            except (BotoCoreError, ClientError) as exc:
                if once or not may_pass(exc):
                    raise
                # What can be tried again, and how often, is botocore's to say.
                logger.debug("%s on queue %s goes to botocore: %s", operation, queue, exc)
        client = self.account.client(queue, once=once)
        with understood(operation, name):
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**params)
        return answer

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
        url = str(self.ask("GetQueueUrl", queue, QueueName=name)["QueueUrl"])
        self.account.urls[name] = url
        return url

    def renew_after_fork(self) -> None:
        """Have a lock of its own, in a forked child."""
        self._counting = threading.Lock()
