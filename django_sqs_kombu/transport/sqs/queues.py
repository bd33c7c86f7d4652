"""Queues: how a queue is created, and how an existing one differs from its declaration."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...exceptions import RequestFailed
from ...logs import get_logger
from ...names import FIFO
from .calls import Calls
from .dead_letters import DeadLetters
from .declaration import DEAD_LETTER_ARGUMENT, MAX_RECEIVES_ARGUMENT, TAGS_ARGUMENT
from .facts import redrive_policy
from .failures import QUEUE_EXISTS, bare

logger = get_logger(__name__)


class Queues:
    """Creates queues as they were declared, and reports what differs; it changes none.

    :param calls: what sends the requests; a queue that they need and that does not exist is
        created from here.
    :param declarations: the arguments declared for queues, by name; others may add to them.
    :param visibility_timeout: seconds, for queues that declare none.
    """

    def __init__(
        self,
        calls: Calls,
        declarations: Mapping[str, Mapping[str, Any]],
        visibility_timeout: int,
    ) -> None:
        self._calls = calls
        self._declarations = declarations
        self._options = calls.account.options
        self._visibility_timeout = visibility_timeout
        self._compared: set[str] = set()
        #: Called with what was learnt of a queue on the way: its attributes.
        self.learnt: Callable[[str, Mapping[str, Any]], None] = lambda queue, attributes: None
        self._dead_letters = DeadLetters(calls, declarations)
        calls.create = self.create

    def declared(self, queue: str) -> Mapping[str, Any]:
        """The arguments declared for *queue*."""
        return self._declarations.get(queue, {})

    def create(self, queue: str) -> str:
        """Create *queue* as it was declared, its dead-letter queue before; return its URL.

        :raises RequestFailed: SQS refused.
        """
        account = self._calls.account
        name = account.canonical(queue)
        parameters = self._parameters(queue, name)
        try:
            answer = self._calls.ask("CreateQueue", queue, **parameters)
        except RequestFailed as exc:
            if bare(exc.code) not in QUEUE_EXISTS:
                raise
            # Another process made it at the same time, otherwise: that is reported later.
            return self._calls.existing_url(queue)
        account.urls[name] = str(answer["QueueUrl"])
        self._dead_letters.created(queue)
        self._compared.add(queue)
        return account.urls[name]

    def compared(self, queue: str) -> bool:
        """Whether there is nothing that :meth:`compare_once` would ask."""
        known = self._calls.account.url(queue) is not None
        return known and (queue in self._compared or not self.declared(queue))

    def compare_once(self, queue: str) -> None:
        """Log how *queue* differs from its declaration, unless that was done before.

        It is created where it does not exist.
        """
        declared = self.declared(queue)
        self._calls.url(queue)
        if declared and queue not in self._compared:
            self._compared.add(queue)
            self._report_mismatches(queue, declared)

    def compares_without_asking(self, queue: str) -> bool:
        """Whether its attributes are enough to compare *queue* with its declaration."""
        return DEAD_LETTER_ARGUMENT not in self.declared(queue)

    def compare(self, queue: str, actual: Mapping[str, Any]) -> None:
        """As :meth:`compare_once`, with all attributes that *queue* has."""
        declared = self.declared(queue)
        if declared and queue not in self._compared:
            self._compared.add(queue)
            _say_mismatches(queue, self._attributes(declared), actual)

    def _parameters(self, queue: str, name: str) -> dict[str, Any]:
        """What CreateQueue needs; a dead-letter queue is created before."""
        declared = self.declared(queue)
        attributes = {
            "VisibilityTimeout": str(self._visibility_timeout),
            **self._dead_letters.attributes(queue),
            **self._attributes(declared, name),
            **(self._options.get("sqs-creation-attributes") or {}),
        }
        if name.endswith(FIFO):
            attributes["FifoQueue"] = "true"
        parameters: dict[str, Any] = {"QueueName": name, "Attributes": attributes}
        tags = {**(self._options.get("queue_tags") or {}), **(declared.get(TAGS_ARGUMENT) or {})}
        if tags:
            parameters["tags"] = tags
        return parameters

    def _attributes(self, declared: Mapping[str, Any], name: str | None = None) -> dict[str, str]:
        """The SQS attributes that a declaration stands for.

        :param name: the name in SQS of the queue, where it is about to be created.
        """
        attributes = {k: str(v) for k, v in declared.items() if not k.startswith("x-")}
        dead_letter_queue = declared.get(DEAD_LETTER_ARGUMENT)
        if dead_letter_queue:
            attributes["RedrivePolicy"] = json.dumps(
                {
                    "deadLetterTargetArn": self._dead_letters.arn(dead_letter_queue, name),
                    "maxReceiveCount": declared[MAX_RECEIVES_ARGUMENT],
                }
            )
        return attributes

    def _report_mismatches(self, queue: str, declared: Mapping[str, Any]) -> None:
        try:
            expected = self._attributes(declared)
            answer = self._calls.call("GetQueueAttributes", queue, AttributeNames=["All"])
        except RequestFailed as exc:
            # No reason not to receive from it.
            logger.info("Queue %s is not compared with its declaration: %s", queue, exc)
            return
        actual = answer["Attributes"]
        self.learnt(queue, actual)
        _say_mismatches(queue, expected, actual)


def _say_mismatches(queue: str, expected: Mapping[str, str], actual: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        if not _same(name, actual.get(name), value):
            logger.warning(
                "Queue %s exists with %s = %s, but is declared with %s. It is left as it is; "
                "change the queue in SQS, or the declaration.",
                queue,
                name,
                actual.get(name, "nothing"),
                value,
            )


def _same(name: str, actual: str | None, expected: str) -> bool:
    if name != "RedrivePolicy" or actual is None:
        return actual == expected
    return redrive_policy(actual) == redrive_policy(expected)
