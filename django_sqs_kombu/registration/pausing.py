"""Pausing: what pauses and resumes a registered queue."""

from __future__ import annotations

from datetime import timedelta

import kombu

from ..transport.sqs.pauses import Pause, pause, pause_of, resume
from ..transport.sqs.requests import Requests
from .sender import Sender


class Pausing:
    """The part of a registered queue that is about pauses.

    A pause is a tag of the queue in SQS, so it applies to all workers on all hosts, and survives
    deployments.  Workers check it once a minute.
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
        """Stop receiving from the queue; messages that are sent wait in it.

        Running receivers continue; messages that were received but not started are given back.

        :param seconds: how long, up to a year; None: until :meth:`resume`.
        :param reason: why, for people to read; characters that AWS does not allow in a tag, such
            as quotes, are left out.
        :param suffix: the queue name suffix to use.
        :raises ConfigurationError: *seconds* is not positive, or is more than a year.
        :raises QueueDoesNotExist: there is no such queue in SQS yet.
        :raises RequestFailed: SQS refused; it needs sqs:TagQueue.
        """
        found, name = self._asked(suffix)
        return pause(found, name, seconds, reason)

    def resume(self, *, suffix: str | None = None) -> None:
        """End a pause, if there is one; a shared breaker's pause ends by itself.

        :raises QueueDoesNotExist: there is no such queue in SQS yet.
        :raises RequestFailed: SQS refused; it needs sqs:UntagQueue.
        """
        found, name = self._asked(suffix)
        resume(found, name)

    def paused(self, *, suffix: str | None = None) -> Pause | None:
        """Ask SQS for the queue's pause; return None if there is none.

        :raises QueueDoesNotExist: there is no such queue in SQS yet.
        :raises RequestFailed: SQS refused; it needs sqs:ListQueueTags.
        """
        found, name = self._asked(suffix)
        return pause_of(found, name)

    def _asked(self, suffix: str | None) -> tuple[Requests, str]:
        requests: Requests = self.receivers.channel().requests
        return requests, self.get_queue(suffix).name
