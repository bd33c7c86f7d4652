"""Requests: every SQS request about a queue, its URL filled in and its errors explained."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError
from kombu.transport.SQS import UndefinedQueueException

from ...exceptions import QueueDoesNotExist, RequestFailed, SQSError
from ...quotas import MAX_MESSAGES
from .failures import LEASE_LOST, NO_SUCH_QUEUE, QUEUE_EXISTS, error_code, explained

if TYPE_CHECKING:
    from ..channel import Channel

logger = logging.getLogger(__name__)

Message = Mapping[str, Any]

#: Seconds that the knowledge of a queue's redrive policy is used before it is read anew:
#: deleting a rejected message can't be undone, so a new dead-letter queue must be noticed.
REDRIVE_POLICY_TTL = 300
#: Seconds between the tries of what SQS failed without the sender's fault.
SEND_RETRY_PAUSES = (0.1, 0.4, 1.6)
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
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


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


class Requests:
    """The SQS requests of one channel; safe to use from any thread.

    :param channel: whose options, credentials and clients they use.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._clients = threading.RLock()
        self._redrive_policies: dict[str, tuple[bool, float]] = {}
        self._compared: set[str] = set()
        #: How many requests about queues were made, by operation.
        self.made: Counter[str] = Counter()

    def client(self, queue: str) -> Any:
        """The boto3 client that serves *queue*."""
        with self._clients:
            return self._channel.sqs(queue=self._channel.canonical_queue_name(queue))

    def call(self, operation: str, queue: str, **params: Any) -> dict[str, Any]:
        """Send one request, such as ``"SendMessage"``, about *queue*.

        :raises RequestFailed: or a subclass that says what is wrong.
        """
        url = self.existing_url(queue) if operation in _SETTLING else self.url(queue)
        with self._clients:
            self.made[operation] += 1
        with self._explained(operation, queue):
            try:
                answer: dict[str, Any] = getattr(self.client(queue), xform_name(operation))(
                    QueueUrl=url, **params
                )
            except ClientError as exc:
                if error_code(exc) in NO_SUCH_QUEUE and not self._channel.predefined_queues:
                    # It was deleted; a queue of that name that comes later is found anew.
                    self._urls.pop(self._channel.canonical_queue_name(queue), None)
                raise
        return answer

    def ask(self, operation: str, queue: str, **params: Any) -> dict[str, Any]:
        """Send one request that names *queue* in its own way, not by its URL.

        :raises RequestFailed: or a subclass that says what is wrong.
        """
        with self._explained(operation, queue):
            answer: dict[str, Any] = getattr(self.client(queue), xform_name(operation))(**params)
        return answer

    def url(self, queue: str) -> str:
        """The URL of *queue*, which is created where it may be and does not exist."""
        try:
            return self.existing_url(queue)
        except QueueDoesNotExist:
            if not self._channel.create_queues:
                raise
            return self._create(queue)

    def existing_url(self, queue: str) -> str:
        """The URL of *queue*, from GetQueueUrl when it is first needed.

        :raises QueueDoesNotExist: there is no such queue.
        """
        name = self._channel.canonical_queue_name(queue)
        if name not in self._urls:
            if self._channel.predefined_queues:
                raise UndefinedQueueException(
                    f"Queue with name {name!r} must be defined in 'predefined_queues'."
                )
            with self._explained("GetQueueUrl", name):
                self._urls[name] = self.client(queue).get_queue_url(QueueName=name)["QueueUrl"]
        return self._urls[name]

    def receive(
        self, queue: str, count: int, wait_time: int, visibility_timeout: int | None
    ) -> list[Message]:
        """One ReceiveMessage for up to *count* messages.

        :param wait_time: seconds to wait for the first message, 0 to 20.
        :param visibility_timeout: seconds they stay hidden; None: as the queue says.
        """
        params = {k: v for k, v in self._channel.get_message_attributes.items() if v}
        if visibility_timeout is not None:
            params["VisibilityTimeout"] = visibility_timeout
        answer = self.call(
            "ReceiveMessage",
            queue,
            MaxNumberOfMessages=min(count, MAX_MESSAGES),
            WaitTimeSeconds=wait_time,
            **params,
        )
        return answer.get("Messages") or []

    def delete(self, queue: str, message: Message) -> None:
        """Delete a received message; a lost lease is logged, not raised."""
        try:
            self.call("DeleteMessage", queue, ReceiptHandle=message["ReceiptHandle"])
        except RequestFailed as exc:
            self._unless_lease_lost(exc, message)
        else:
            self._channel.payloads.delete(message)

    def delete_batch(
        self, queue: str, messages: Sequence[Message], *, with_payloads: bool = True
    ) -> list[int]:
        """Delete up to 10 received messages; return the numbers of those to try again.

        :param with_payloads: delete their payloads in S3, too.
        """
        entries = [
            {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)
        ]
        lost, again = self._settle_batch("DeleteMessageBatch", queue, entries, messages)
        for number, message in enumerate(messages):
            if with_payloads and number not in lost and number not in again:
                self._channel.payloads.delete(message)
        return again

    def change_visibility_batch(
        self, queue: str, messages: Sequence[Message], seconds: Sequence[int]
    ) -> list[int]:
        """Hide up to 10 received messages from now; return the numbers to try again."""
        return self.renew_batch(queue, messages, seconds)[1]

    def renew_batch(
        self, queue: str, messages: Sequence[Message], seconds: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """Hide up to 10 received messages from now.

        :returns: the numbers of those that are lost, and of those to try again.
        """
        entries = [
            {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": s}
            for n, (m, s) in enumerate(zip(messages, seconds, strict=True))
        ]
        return self._settle_batch("ChangeMessageVisibilityBatch", queue, entries, messages)

    def send_batch(self, queue: str, batch: Sequence[dict[str, Any]]) -> list[RequestFailed | None]:
        """Send up to 10 messages, 1 MiB together.

        What SQS fails without the sender's fault is tried again, and that alone.

        :returns: for each message None, or why SQS did not accept it.
        :raises RequestFailed: the whole request failed.
        """
        if len(batch) == 1:
            self.call("SendMessage", queue, **batch[0])
            return [None]
        errors: list[RequestFailed | None] = [None] * len(batch)
        todo = list(range(len(batch)))
        for pause in (*SEND_RETRY_PAUSES, None):
            entries = [{"Id": str(n), **batch[n]} for n in todo]
            answer = self.call("SendMessageBatch", queue, Entries=entries)
            todo = []
            for failed in answer.get("Failed", []):
                number = int(failed["Id"])
                errors[number] = _entry_failure("SendMessageBatch", queue, failed)
                if not failed.get("SenderFault") and pause is not None:
                    errors[number] = None
                    todo.append(number)
            if not todo or pause is None:
                break
            time.sleep(pause)
        return errors

    def change_visibility(self, queue: str, message: Message, seconds: int) -> None:
        """Hide a received message for *seconds* from now; a lost lease is logged."""
        try:
            self.call(
                "ChangeMessageVisibility",
                queue,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=seconds,
            )
        except RequestFailed as exc:
            self._unless_lease_lost(exc, message)

    def release(self, queue: str, messages: Sequence[Message]) -> None:
        """Make received messages visible to others at once.

        What fails is logged: it becomes visible after its visibility timeout.
        """
        logger.info("Giving back %d message(s) to queue %s", len(messages), queue)
        for start in range(0, len(messages), MAX_MESSAGES):
            batch = messages[start : start + MAX_MESSAGES]
            try:
                self.change_visibility_batch(queue, batch, [0] * len(batch))
            except SQSError as exc:
                logger.warning("They become visible after their visibility timeout. %s", exc)

    def clear(self, queue: str) -> Iterator[int]:
        """Receive and delete until a poll of one second brings nothing.

        Yields how many messages each request deleted.  What is in flight or delayed
        is not reached.
        """
        while messages := self.receive(queue, MAX_MESSAGES, wait_time=1, visibility_timeout=30):
            yield len(messages) - len(self.delete_batch(queue, messages))

    def counts(self, queue: str) -> QueueCounts:
        """How many messages *queue* has; it is not created.

        :raises QueueDoesNotExist: there is no such queue.
        """
        self.existing_url(queue)
        answer = self.call("GetQueueAttributes", queue, AttributeNames=list(_COUNTS))
        return QueueCounts(*(int(answer["Attributes"].get(name, 0)) for name in _COUNTS))

    def visibility_timeout(self, queue: str) -> int:
        """The visibility timeout that *queue* has in SQS, in seconds."""
        answer = self.call("GetQueueAttributes", queue, AttributeNames=["VisibilityTimeout"])
        return int(answer["Attributes"]["VisibilityTimeout"])

    def has_redrive_policy(self, queue: str) -> bool:
        """Whether *queue* has a dead-letter queue; True where that can't be learnt.

        With a policy a rejected message is left to SQS; without, it is deleted, so the
        answer in doubt is the one that loses nothing.
        """
        known = self._redrive_policies.get(queue)
        if known is not None and time.monotonic() - known[1] < REDRIVE_POLICY_TTL:
            return known[0]
        try:
            answer = self.call("GetQueueAttributes", queue, AttributeNames=["RedrivePolicy"])
        except RequestFailed as exc:
            logger.warning("Rejected messages of queue %s are left in it: %s", queue, exc)
            return True
        has_policy = "RedrivePolicy" in answer.get("Attributes", {})
        self._redrive_policies[queue] = (has_policy, time.monotonic())
        return has_policy

    @property
    def _urls(self) -> dict[str, str]:
        return self._channel.connection.queue_urls

    def _create(self, queue: str) -> str:
        name = self._channel.canonical_queue_name(queue)
        parameters = self._channel.declarer.parameters(name, self._channel.declared(queue))
        with self._explained("CreateQueue", name):
            try:
                self._urls[name] = self.client(queue).create_queue(**parameters)["QueueUrl"]
            except ClientError as exc:
                if error_code(exc) not in QUEUE_EXISTS:
                    raise
                # Another process made it at the same time, otherwise: that is reported later.
                return self.existing_url(queue)
        self._compared.add(queue)
        return self._urls[name]

    def compare_once(self, queue: str) -> None:
        """Report how *queue* differs from its declaration, unless that was done before."""
        declared = self._channel.declared(queue)
        self.url(queue)
        if declared and queue not in self._compared:
            self._compared.add(queue)
            self._channel.declarer.report_mismatches(queue, declared)

    def _explained(self, operation: str, queue: str) -> Any:
        return explained(operation, queue, self._channel.endpoint_url)

    def _settle_batch(
        self,
        operation: str,
        queue: str,
        entries: list[dict[str, Any]],
        messages: Sequence[Message],
    ) -> tuple[list[int], list[int]]:
        answer = self.call(operation, queue, Entries=entries)
        lost, again = [], []
        for failed in answer.get("Failed", []):
            number = int(failed["Id"])
            if not failed.get("SenderFault"):
                again.append(number)
                continue
            lost.append(number)
            try:
                self._unless_lease_lost(_entry_failure(operation, queue, failed), messages[number])
            except RequestFailed as exc:
                logger.error("Message %s: %s", messages[number].get("MessageId"), exc)
        return lost, again

    def _unless_lease_lost(self, exc: RequestFailed, message: Message) -> None:
        expired = exc.code == "InvalidParameterValue" and "eceipt" in str(exc)
        if exc.code not in LEASE_LOST and not expired:
            raise exc
        logger.warning(
            "Message %s of queue %s is no longer ours, its visibility timeout has passed (%s). "
            "A longer visibility_timeout avoids that.",
            message.get("MessageId"),
            exc.queue,
            exc.code,
        )


def _entry_failure(operation: str, queue: str, failed: dict[str, Any]) -> RequestFailed:
    code = str(failed.get("Code", ""))
    text = failed.get("Message") or "no reason given"
    return RequestFailed(
        f"{operation} on queue {queue!r} failed ({code}): {text}",
        operation=operation,
        queue=queue,
        code=code,
    )
