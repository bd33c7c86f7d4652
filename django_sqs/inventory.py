"""Targets: the queues in SQS that the registered ones stand for, suffixes included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django_sqs_kombu.exceptions import QueueDoesNotExist
from django_sqs_kombu.queues import join_name
from django_sqs_kombu.registered_queue import RegisteredQueue
from django_sqs_kombu.transport.requests import QueueCounts, Requests


@dataclass(frozen=True, slots=True)
class Target:
    """One queue in SQS.

    :param registered: the registration it belongs to.
    :param suffix: its queue name suffix, if any.
    """

    registered: RegisteredQueue
    suffix: str | None

    @property
    def label(self) -> str:
        """The name without the prefix, as a person writes it."""
        return join_name("", self.registered.name, self.suffix)

    @property
    def full_name(self) -> str:
        """The name in SQS."""
        return self.registered.full_name(self.suffix)

    @property
    def requests(self) -> Requests:
        """The requests of the connection that this process sends over."""
        requests: Requests = self.registered.receivers.channel().requests
        return requests

    def counts(self) -> QueueCounts | None:
        """How many messages it has; None where it does not exist in SQS."""
        try:
            return self.requests.counts(self.full_name)
        except QueueDoesNotExist:
            return None


def targets(queues: Iterable[RegisteredQueue], suffix: str | None = None) -> Iterator[Target]:
    """The queues in SQS of *queues*: the one of *suffix*, or else all."""
    for registered in queues:
        for each in (suffix,) if suffix else (None, *registered.suffixes):
            yield Target(registered, each)
