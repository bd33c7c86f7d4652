"""Requests: what is done to messages and asked about queues, in SQS's requests."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...exceptions import RequestFailed, SQSError
from ...logs import get_logger
from ...quotas import MAX_MESSAGES
from .answers import settled
from .calls import Begun, Result
from .clients import Account
from .facts import ASSUMED, ASSUMED_FOR, FRESH, KNOWN_FOR, NAMES, QueueFacts, facts_of, in_doubt
from .received import Message, Received
from .send_requests import SendRequests
from .waits import answered_within

logger = get_logger(__name__)

#: How many read timeouts a ReceiveMessage may take beyond its own wait: whoever gives it up too
#: early leaves messages that it brought to nobody, hidden for their visibility timeout.
RECEIVE_PATIENCE = 2
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_DELETE, _CHANGE = "DeleteMessageBatch", "ChangeMessageVisibilityBatch"
#: What is told of a batch: for each message None, or why it was not done; or why none was.
Told = Callable[["list[RequestFailed | None] | Exception"], None]
_EVERYTHING: Mapping[str, Any] = {
    "MessageAttributeNames": ["All"],
    "MessageSystemAttributeNames": ["All"],
}


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many messages a queue has, as SQS approximately knows.

    :param visible: ready to be received.
    :param in_flight: received and not settled yet.
    :param delayed: sent with a delay that has not passed.
    """

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All messages of the queue."""
        return self.visible + self.in_flight + self.delayed


class Requests(SendRequests):
    """The SQS requests of one channel; safe to use from any thread.

    :param account: whose clients and names they use.
    :param fetched: the parameters that say what ReceiveMessage returns besides bodies.
    """

    def __init__(self, account: Account, fetched: Mapping[str, Any] = _EVERYTHING) -> None:
        super().__init__(account)
        fetched = {name: names for name, names in fetched.items() if names}
        if system := fetched.get("MessageSystemAttributeNames"):
            # Older servers know only the older name; SQS takes both.
            fetched["AttributeNames"] = system
        self._fetched = fetched
        self._received = Received()
        self._facts: dict[str, tuple[QueueFacts, float]] = {}

    def receive(
        self, queue: str, count: int, wait_time: int, visibility_timeout: int | None
    ) -> list[Message]:
        """One ReceiveMessage for up to *count* messages.

        :param wait_time: seconds to wait for the first message, 0 to 20.
        :param visibility_timeout: seconds they stay hidden; None: as the queue says.
        :returns: those that have a receipt handle, an id and the body that was sent.
        """
        params = self._receiving(count, wait_time, visibility_timeout)
        # Not within the block, which is for the poll alone.
        self.url(queue)
        with answered_within(self._patience(wait_time)):
            answer = self.call("ReceiveMessage", queue, **params)
        return self._received.valid(queue, answer.get("Messages"))

    def begin_receive(
        self,
        queue: str,
        count: int,
        wait_time: int,
        visibility_timeout: int | None,
        done: Callable[[list[Message] | Exception], None],
    ) -> Begun:
        """As :meth:`receive`, but *done* is called with what comes of it, from any thread."""

        def read(answer: Result) -> None:
            received: list[Message] | Exception
            try:
                if isinstance(answer, Exception):
                    received = answer
                else:
                    received = self._received.valid(queue, answer.get("Messages"))
            except Exception as exc:  # noqa: BLE001 - whoever asked must hear of it
                received = exc
            done(received)

        params = self._receiving(count, wait_time, visibility_timeout)
        seconds = self._patience(wait_time)
        return self.begin("ReceiveMessage", queue, params, read, seconds=seconds)

    def _receiving(
        self, count: int, wait_time: int, visibility_timeout: int | None
    ) -> dict[str, Any]:
        params = {
            **self._fetched,
            "MaxNumberOfMessages": min(count, MAX_MESSAGES),
            "WaitTimeSeconds": wait_time,
        }
        if visibility_timeout is not None:
            params["VisibilityTimeout"] = visibility_timeout
        return params

    def _patience(self, wait_time: int) -> float:
        return wait_time + RECEIVE_PATIENCE * self.account.read_timeout

    def delete(self, queue: str, message: Message) -> None:
        """Delete a received message.

        :raises RequestFailed: it is not deleted, or no longer ours (:attr:`lost`).
        """
        self.call("DeleteMessage", queue, ReceiptHandle=message["ReceiptHandle"])

    def delete_batch(self, queue: str, messages: Sequence[Message]) -> list[RequestFailed | None]:
        """Delete up to 10 received messages.

        :returns: for each message None, or why SQS did not delete it.
        :raises RequestFailed: the whole request failed.
        """
        answer = self.call(_DELETE, queue, Entries=_handles(messages))
        return settled(_DELETE, queue, answer, len(messages))

    def begin_delete_batch(self, queue: str, messages: Sequence[Message], done: Told) -> Begun:
        """As :meth:`delete_batch`, but *done* is called with what comes of it."""
        read = partial(_tell, _DELETE, queue, len(messages), done)
        return self.begin(_DELETE, queue, {"Entries": _handles(messages)}, read)

    def change_visibility(self, queue: str, message: Message, seconds: int) -> None:
        """Hide a received message for *seconds* from now.

        :raises RequestFailed: it is not, or no longer ours (:attr:`lost`).
        """
        self.call(
            "ChangeMessageVisibility",
            queue,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=seconds,
        )

    def change_visibility_batch(
        self, queue: str, messages: Sequence[Message], seconds: Sequence[int]
    ) -> list[RequestFailed | None]:
        """Hide up to 10 received messages from now.

        :returns: for each message None, or why SQS did not hide it.
        :raises RequestFailed: the whole request failed.
        """
        answer = self.call(_CHANGE, queue, Entries=_handles(messages, seconds))
        return settled(_CHANGE, queue, answer, len(messages))

    def begin_change_visibility_batch(
        self, queue: str, messages: Sequence[Message], seconds: Sequence[int], done: Told
    ) -> Begun:
        """As :meth:`change_visibility_batch`, but *done* is called with what comes of it."""
        read = partial(_tell, _CHANGE, queue, len(messages), done)
        return self.begin(_CHANGE, queue, {"Entries": _handles(messages, seconds)}, read)

    def release(self, queue: str, messages: Sequence[Message]) -> None:
        """Make received messages visible to others at once.

        What fails is logged: it becomes visible after its visibility timeout.
        """
        logger.info("Giving back %d message(s) to queue %s", len(messages), queue)
        for start in range(0, len(messages), MAX_MESSAGES):
            batch = messages[start : start + MAX_MESSAGES]
            try:
                results = self.change_visibility_batch(queue, batch, [0] * len(batch))
                failure: SQSError | None = next((r for r in results if r and not r.lost), None)
            except SQSError as exc:
                failure = exc
            if failure is not None:
                logger.warning("They become visible after their visibility timeout. %s", failure)

    def counts(self, queue: str) -> QueueCounts:
        """How many messages *queue* has; it is not created.

        :raises QueueDoesNotExist: there is no such queue.
        """
        self.existing_url(queue)
        answer = self.call("GetQueueAttributes", queue, AttributeNames=list(_COUNTS))
        return QueueCounts(*(int(answer["Attributes"].get(name, 0)) for name in _COUNTS))

    def facts(self, queue: str, *, known_for: float = KNOWN_FOR) -> QueueFacts:
        """What *queue* is in SQS, asked for once in a while.

        Where it cannot be learnt, what loses nothing is assumed.

        :param known_for: seconds for which an answer is good enough.
        """
        now = time.monotonic()
        facts, asked_at = self._facts.get(queue, (ASSUMED, -math.inf))
        if now - asked_at >= (known_for if facts.known else ASSUMED_FOR):
            facts = self._ask_facts(queue, before=facts)
            self._facts[queue] = facts, now
        return facts

    def learn(self, queue: str, attributes: Mapping[str, Any]) -> None:
        """SQS has just said what *queue* is."""
        self._facts[queue] = facts_of(attributes), time.monotonic()

    def learnt(self, queue: str, *, within: float = math.inf) -> QueueFacts | None:
        """What was learnt of *queue* last, without a request; None: it was not asked yet.

        :param within: how many seconds ago at most.
        """
        facts, asked_at = self._facts.get(queue, (None, 0.0))
        return facts if time.monotonic() - asked_at < within else None

    def redrives(self, queue: str) -> bool:
        """Whether SQS moves what is received too often from *queue* to dead letters.

        That it does not is believed for a few seconds only.
        """
        if self.facts(queue).redrive is not None:
            return True
        return self.facts(queue, known_for=FRESH).redrive is not None

    def _ask_facts(self, queue: str, *, before: QueueFacts) -> QueueFacts:
        try:
            answer = self.call("GetQueueAttributes", queue, AttributeNames=list(NAMES))
            return facts_of(answer["Attributes"])
        except RequestFailed as exc:
            logger.warning(
                "The attributes of queue %s cannot be read: a visibility timeout of %d s is "
                "assumed, and rejected messages are left in it. %s",
                queue,
                before.visibility_timeout,
                exc,
            )
            return in_doubt(before)


def _handles(
    messages: Sequence[Message], seconds: Sequence[int] | None = None
) -> list[dict[str, Any]]:
    """The entries of a batch about received messages.

    :param seconds: the visibility timeout of each, where that is what is changed.
    """
    if seconds is None:
        return [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
    return [
        {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": s}
        for n, (m, s) in enumerate(zip(messages, seconds, strict=True))
    ]


def _tell(operation: str, queue: str, count: int, done: Told, answer: Result) -> None:
    results: list[RequestFailed | None] | Exception
    try:
        if isinstance(answer, Exception):
            results = answer
        else:
            results = settled(operation, queue, answer, count)
    except Exception as exc:  # noqa: BLE001 - whoever asked must hear of it
        results = exc
    done(results)
