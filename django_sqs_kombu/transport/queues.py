"""QueueChannel: Kombu's queues, declared, found, counted, emptied and deleted."""

from __future__ import annotations

from typing import Any

import kombu
from kombu.transport.virtual.base import queue_declare_ok_t

from ..exceptions import QueueDoesNotExist
from .connected import Connected
from .options import OptionsChannel
from .sqs.queues import Queues
from .sqs.requests import Requests


class QueueChannel(OptionsChannel):
    """The part of the channel that is about queues, not about their messages."""

    connection: Connected

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.requests = Requests(self.account, self.get_message_attributes)
        #: What creates queues and compares them with their declarations.
        self.queues = Queues(self.requests, self.connection.declarations, self.visibility_timeout)
        self.queues.learnt = self.requests.learn

    @property
    def _queue_cache(self) -> dict[str, str]:
        return self.account.urls

    def _update_queue_cache(self, queue_name_prefix: str) -> None:
        # Kombu lists all queues here. A queue's URL is asked for when it is needed.
        pass

    def declare_lazily(self, queue: kombu.Queue) -> None:
        """Note what *queue* is to be; it is created, if need be, when first used."""
        if queue.queue_arguments:
            self.connection.declarations[queue.name] = dict(queue.queue_arguments)

    def declared(self, queue: str) -> dict[str, Any]:
        """The arguments declared for *queue*."""
        return self.connection.declarations.get(queue, {})

    def declared_visibility_timeout(self, queue: str) -> int | None:
        """The visibility timeout declared for *queue*, in seconds."""
        timeout = self.declared(queue).get("VisibilityTimeout")
        return None if timeout is None else int(timeout)

    def ask(self) -> None:
        """Ask SQS for next to nothing, to learn whether it answers.

        :raises RequestFailed: it does not, or refuses.
        """
        predefined = next(iter(self.predefined_queues), None)
        if predefined is None:
            prefix = self.queue_name_prefix
            self.requests.ask("ListQueues", prefix, QueueNamePrefix=prefix, MaxResults=1)
        else:
            queue = predefined.removeprefix(self.queue_name_prefix)
            self.requests.call("GetQueueAttributes", queue, AttributeNames=["QueueArn"])

    def queue_declare(
        self, queue: str | None = None, passive: bool = False, **kwargs: Any
    ) -> queue_declare_ok_t:
        """Create *queue* where it does not exist, and count its messages.

        A connection on an event loop only notes the declaration: no request may block
        the loop, and an SQS that is down for a while is no reason to connect anew.
        """
        if self.connection.event_loop is None or queue is None or passive:
            return super().queue_declare(queue, passive, **kwargs)
        if arguments := kwargs.get("arguments"):
            self.connection.declarations[queue] = dict(arguments)
        return queue_declare_ok_t(queue, 0, 0)

    def _new_queue(self, queue: str, **kwargs: Any) -> str:
        if arguments := kwargs.get("arguments"):
            self.connection.declarations[queue] = dict(arguments)
        return self.requests.url(queue)

    def _resolve_queue_url(self, queue: str) -> str:
        return self.requests.existing_url(queue)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        try:
            self.requests.existing_url(queue)
        except QueueDoesNotExist:
            return False
        return True

    def _size(self, queue: str) -> int:
        try:
            return self.requests.counts(queue).visible
        except QueueDoesNotExist:
            if not self.account.create_queues:
                raise
            # It is made when it is first used, and was not used yet.
            return 0

    def _purge(self, queue: str) -> int:
        size = self._size(queue)
        self.requests.call("PurgeQueue", queue)
        return size

    def queue_delete(
        self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any
    ) -> None:
        """Delete *queue*, also one that no exchange of this connection leads to.

        :param if_empty: leave it if it has messages; hidden and delayed ones count.
        """
        if if_empty and self._has_messages(queue):
            return
        bound = any(True for _ in self.state.queue_bindings(queue))
        super().queue_delete(queue, if_unused, **kwargs)
        if not bound:
            # Kombu deletes a queue once for each of its bindings that it knows of.
            self._delete(queue)

    def _has_messages(self, queue: str) -> bool:
        try:
            return self.requests.counts(queue).total > 0
        except QueueDoesNotExist:
            return False

    def _delete(self, queue: str, exchange: str | None = None, *args: Any, **kwargs: Any) -> None:
        # As in AMQP, a queue that is not there is no error.
        if self.predefined_queues:
            return
        try:
            self.requests.existing_url(queue)
            self.requests.call("DeleteQueue", queue)
        except QueueDoesNotExist:
            pass
        if exchange and self.supports_fanout and self._exchange_is_fanout(exchange):
            self.fanout.subscriptions.unsubscribe_queue(queue_name=queue, exchange_name=exchange)
        self._queue_cache.pop(self.canonical_queue_name(queue), None)

    def _subscribe_queue_to_fanout_exchange_if_required(self, queue_name: str) -> None:
        # Kombu subscribes a queue that exists. On an event loop it was only noted.
        if any(
            self._exchange_is_fanout(key.exchange) for key in self.state.queue_index[queue_name]
        ):
            self.requests.url(queue_name)
        super()._subscribe_queue_to_fanout_exchange_if_required(queue_name)
