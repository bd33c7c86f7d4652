"""Targets: the queues in SQS that the registered ones stand for, suffixes included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django_sqs_kombu import administration
from django_sqs_kombu.exceptions import ConfigurationError, QueueDoesNotExist, RequestFailed
from django_sqs_kombu.names import join_name
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.transport import Channel, Pause, QueueCounts, Requests

from ..registry import receivers


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
        requests: Requests = self.channel.requests
        return requests

    @property
    def channel(self) -> Channel:
        """The channel that this process sends over."""
        channel: Channel = self.registered.receivers.channel()
        return channel

    @property
    def dead_letters(self) -> str:
        """The name in SQS of its dead-letter queue: the one registered, else what SQS says.

        :raises ConfigurationError: it has none.
        """
        name = self.registered.full_dead_letter_name or administration.dead_letter_queue(
            self.requests, self.full_name
        )
        if name is None:
            raise ConfigurationError(
                f"Queue {self.full_name!r} has no dead-letter queue: neither dead_letter_queue= "
                "nor a redrive policy in SQS names one."
            )
        return name

    def declare(self) -> None:
        """Note how the queue is to be created, should a request need it and it be missing."""
        self.channel.declare_lazily(self.registered.get_queue(self.suffix))

    def clear(self) -> Iterator[int]:
        """Delete its messages, payloads in S3 included; see :func:`administration.clear`."""
        channel = self.channel
        return administration.clear(channel.requests, self.full_name, channel.payloads.delete)

    def pause(self) -> Pause | None:
        """Its pause; None: it has none, it does not exist, or SQS does not tell."""
        try:
            return self.registered.paused(suffix=self.suffix)
        except RequestFailed:
            return None

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


def by_name(name: str, suffix: str | None = None) -> tuple[Target, bool]:
    """The queue that a person means by *name*, and whether that names its dead letters.

    The name of a dead-letter queue stands for the dead letters of the first queue that is
    registered with it.

    :raises UnknownQueue: there is no such queue.
    """
    if name not in receivers.queues:
        for registered in receivers.select():
            if registered.dead_letter_queue == name:
                return Target(registered, suffix), True
    return Target(receivers.get(name), suffix), False
