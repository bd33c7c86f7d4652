"""Declaring: how a queue is created, and how an existing one differs from its declaration."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...exceptions import AccessDenied
from ...names import FIFO
from .declaration import DEAD_LETTER_ARGUMENT, MAX_RECEIVES_ARGUMENT, TAGS_ARGUMENT

if TYPE_CHECKING:
    from .requests import Requests

logger = logging.getLogger(__name__)


class Declarer:
    """Creates queues as they were declared, and reports what differs; it changes none.

    :param requests: what sends the requests.
    :param options: the transport's options, of which kombu's ``sqs-creation-attributes``
        and ``queue_tags`` apply to every queue.
    :param visibility_timeout: seconds, for queues that declare none.
    """

    def __init__(
        self, requests: Requests, options: Mapping[str, Any], visibility_timeout: int
    ) -> None:
        self._requests = requests
        self._options = options
        self._visibility_timeout = visibility_timeout

    def parameters(self, name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
        """What CreateQueue needs; a dead-letter queue is created before."""
        attributes = {
            "VisibilityTimeout": str(self._visibility_timeout),
            **self.attributes(declared),
            **(self._options.get("sqs-creation-attributes") or {}),
        }
        if name.endswith(FIFO):
            attributes["FifoQueue"] = "true"
        parameters: dict[str, Any] = {"QueueName": name, "Attributes": attributes}
        tags = {**(self._options.get("queue_tags") or {}), **(declared.get(TAGS_ARGUMENT) or {})}
        if tags:
            parameters["tags"] = tags
        return parameters

    def attributes(self, declared: Mapping[str, Any]) -> dict[str, str]:
        """The SQS attributes that a declaration stands for."""
        attributes = {k: str(v) for k, v in declared.items() if not k.startswith("x-")}
        dead_letter_queue = declared.get(DEAD_LETTER_ARGUMENT)
        if dead_letter_queue:
            attributes["RedrivePolicy"] = json.dumps(
                {
                    "deadLetterTargetArn": self._arn(dead_letter_queue),
                    "maxReceiveCount": declared[MAX_RECEIVES_ARGUMENT],
                }
            )
        return attributes

    def report_mismatches(self, queue: str, declared: Mapping[str, Any]) -> None:
        """Log how the existing *queue* differs from its declaration."""
        try:
            expected = self.attributes(declared)
            answer = self._requests.call("GetQueueAttributes", queue, AttributeNames=["All"])
        except AccessDenied as exc:
            logger.info("Queue %s is not compared with its declaration: %s", queue, exc)
            return
        actual = answer.get("Attributes", {})
        for name, value in expected.items():
            if not _same(name, actual.get(name), value):
                logger.warning(
                    "Queue %s exists with %s = %s, and is declared with %s. It is left as it is; "
                    "change the queue in SQS, or the declaration.",
                    queue,
                    name,
                    actual.get(name, "nothing"),
                    value,
                )

    def _arn(self, queue: str) -> str:
        answer = self._requests.call("GetQueueAttributes", queue, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])


def _same(name: str, actual: str | None, expected: str) -> bool:
    if name != "RedrivePolicy" or actual is None:
        return actual == expected

    def facts(policy: str) -> tuple[str, int]:
        values = json.loads(policy)
        return values["deadLetterTargetArn"], int(values["maxReceiveCount"])

    return facts(actual) == facts(expected)
