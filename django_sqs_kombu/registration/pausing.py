"""Pausing: what pauses and resumes a registered queue."""

from __future__ import annotations

from datetime import timedelta

import kombu

from ..transport.sqs.pauses import Pause, pause, pause_of, resume
from ..transport.sqs.requests import Requests
from .sender import Sender


class Pausing:
    """The part of a registered queue that is about pauses.

    A pause is a tag of the queue in SQS, so it holds for all workers on all hosts, and outlasts
    deployments.  Workers look at it once a minute.
    """

    receivers: Sender

    def get_queue(self, suffix: str | None = None) -> kombu.Queue:
        """The queue as a :class:`kombu.Queue`."""
        raise NotImplementedError

    def pause(
        self,
        seconds: float | timedelta | None = None,
        *,
        reason: str = "",
        suffix: str | None = None,
    ) -> Pause:
        """Have nobody receive from the queue; what is sent waits in it.

        Receivers that run go on; what was received and is not started is given back.

        :param seconds: how long, up to a year; None: until :meth:`resume`.
        :param reason: why, for people to read; of what AWS does not take for a tag, such as
            quotes, nothing is kept.
        :param suffix: the queue name suffix to use.
        :raises ConfigurationError: *seconds* is not above 0, or above a year.
        :raises QueueDoesNotExist: there is no such queue in SQS yet.
        :raises RequestFailed: SQS refused; it takes sqs:TagQueue.
        """
        found, name = self._asked(suffix)
        return pause(found, name, seconds, reason)

    def resume(self, *, suffix: str | None = None) -> None:
        """End a pause, if there is one; one that a shared breaker made ends by itself.

        :raises QueueDoesNotExist: there is no such queue in SQS yet.
        :raises RequestFailed: SQS refused; it takes sqs:UntagQueue.
        """
        found, name = self._asked(suffix)
        resume(found, name)

    def paused(self, *, suffix: str | None = None) -> Pause | None:
        """The pause of the queue, asked of SQS; None: it has none.

        :raises QueueDoesNotExist: there is no such queue in SQS yet.
        :raises RequestFailed: SQS refused; it takes sqs:ListQueueTags.
        """
        found, name = self._asked(suffix)
        return pause_of(found, name)

    def _asked(self, suffix: str | None) -> tuple[Requests, str]:
        requests: Requests = self.receivers.channel().requests
        return requests, self.get_queue(suffix).name
