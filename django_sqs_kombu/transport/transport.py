"""Transport: what a broker URL names."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Collection
from typing import Any

from kombu.exceptions import ConnectionError as KombuConnectionError
from kombu.transport import SQS

from ..exceptions import CredentialsMissing, EndpointUnreachable
from .channel import Channel
from .event_loop import EventLoopDelivery
from .failover import ask, give_up, keep_transport, must_ask
from .receiving.inbox import Inbox
from .receiving.poller import Poller
from .sqs.clients import Account

__all__ = ["Channel", "Transport"]


class Transport(SQS.Transport):  # type: ignore[misc]
    """Amazon SQS for Kombu.

    Use it as ``Connection("sqs://KEY:SECRET@", transport="django_sqs_kombu.transport:Transport")``,
    as ``broker_transport`` in Celery beside a ``sqs://`` broker URL, or, once
    ``django_sqs_kombu`` is imported, by the URL scheme ``sqs-batch://``.
    """

    Channel = Channel

    connection_errors = (*SQS.Transport.connection_errors, EndpointUnreachable, CredentialsMissing)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        #: Whose SQS it is, made by the first channel.
        self.account: Account | None = None
        #: Declared arguments by queue name.
        self.declarations: dict[str, dict[str, Any]] = {}
        self.inbox = Inbox()
        #: What delivers on an event loop, in place of :meth:`drain_events`.
        self.event_loop: EventLoopDelivery | None = None
        keep_transport(client)
        self.inbox.leaves = len(client.alt) > 1
        super().__init__(client, **kwargs)

    def establish_connection(self) -> Transport:
        """Connect: without a request, unless SQS could not be reached before.

        :raises EndpointUnreachable: that was so, and still is.
        """
        connection: Transport = super().establish_connection()
        if must_ask(self.client):
            try:
                ask(self._avail_channels[-1], self.client)
            except BaseException:
                # Nobody gets the channel that asked: the next broker has channels of its own.
                super().close_connection(connection)
                raise
        return connection

    def create_channel(self, connection: Transport) -> SQS.Channel:
        """Open a channel of *connection*.

        Kombu asks the transport that a :class:`kombu.Connection` had before it connected. With a
        list of brokers it may have connected to another one.

        :raises kombu.exceptions.ConnectionError: another thread has given the connection up.
        """
        if connection is not self:
            return connection.create_channel(connection)
        if self.client is None:
            raise KombuConnectionError("The connection is given up")
        return super().create_channel(connection)

    def _collect(self, connection: Transport) -> None:
        # Kombu calls this when an error has made the connection useless.
        give_up(self.client)
        with contextlib.suppress(*self.connection_errors):
            self.close_connection(connection)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Deliver on *loop*, a kombu ``Hub``; a Celery worker calls this."""
        self.event_loop = EventLoopDelivery(self, loop)
        self.inbox.pace.free = self._free

    def close_connection(self, connection: Any) -> None:
        """Close all channels, and leave the event loop."""
        # First the polls of all: one would take what another gives back.
        for channel in list(self.channels):
            channel.stop_polling(break_off=channel.break_off_polls)
        super().close_connection(connection)
        if self.event_loop is not None:
            self.event_loop.close()

    def may_deliver(self) -> bool:
        """Whether the prefetch counts leave a place, and somebody is free, for a message."""
        if not all(channel.qos.can_consume() for channel in self.channels):
            return False
        return self.inbox.pace.free() > 0

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver the next message to its consumer.

        :param timeout: seconds to wait for one; None: for ever.
        :raises TimeoutError: none came in time.
        :raises EndpointUnreachable: there is another broker to go to, and this one does not
            answer.
        """
        try:
            announced = self.inbox.next(timeout)
        except queue.Empty:
            raise TimeoutError from None
        if announced is None:
            if self.inbox.failure is not None:
                raise self.inbox.failure
            return
        source, held = announced
        for channel in list(self.channels):
            if channel.pollers.get(held.queue) is source:
                channel.deliver(held)
                return
        # Its consumer was cancelled meanwhile, and what it holds is given back.
        source.give_back_taken(held)

    def wake(self) -> None:
        """Make a waiting :meth:`drain_events` return; safe in a signal handler."""
        self.inbox.wake()

    def stop_polling(self, *, hands_out: bool = False) -> list[Poller]:
        """Poll no more; running consumers go on.  See :meth:`Channel.stop_polling`.

        :param hands_out: see :meth:`.Poller.stop`.
        :returns: what polls: a close meanwhile takes them from their channels.
        """
        channels = list(self.channels)
        return [each for one in channels for each in one.stop_polling(hands_out=hands_out)]

    def finish_polling(self) -> None:
        """Wait until the polls under way have ended; then give back what waits."""
        for channel in list(self.channels):
            channel.finish_polling()

    def wake_polling(self, queues: Collection[str] | None = None) -> None:
        """Poll at once these queues, by their names in SQS, or all, should they rest.

        Queues rest only with the transport option ``poll_max_idle``.
        """
        for channel in list(self.channels):
            channel.wake_polling(queues)

    def look_for_pauses(self, queues: Collection[str] | None = None) -> None:
        """Look now whether these queues, by their names in SQS, or all, are paused or resumed."""
        for channel in list(self.channels):
            channel.look_for_pauses(queues)

    def has_waiting(self) -> bool:
        """Whether received messages wait for their consumers."""
        return any(channel.has_waiting() for channel in self.channels)

    def _free(self) -> int:
        return min((channel.prefetch.free() for channel in self.channels), default=0)
