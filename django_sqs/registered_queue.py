"""RegisteredQueue and its ReceiverProxy, under the original's names and with Django's database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import close_old_connections, connections, reset_queries, transaction

from django_sqs_kombu import registered_queue as base
from django_sqs_kombu.async_runner import within
from django_sqs_kombu.exceptions import RestartLater, TimedOut, UnknownSuffixWarning
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.receiver_proxy import ReceiverProxy
from django_sqs_kombu.registered_queue import AsyncReceiver, Receiver
from django_sqs_kombu.registry import Receivers

from .conf import conf
from .registry import receivers as project_receivers

__all__ = [
    "ReceiverProxy",
    "RegisteredQueue",
    "RestartLater",
    "TimedOut",
    "UnknownSuffixWarning",
]


class RegisteredQueue(base.RegisteredQueue):
    """A queue of this project; its options are those of django_sqs_kombu's class.

    Around each message the database connections are looked after as around a request:
    those that are unusable or too old are closed, or all with ``close_database``.
    """

    def __init__(
        self,
        name: str,
        receiver: Receiver | None = None,
        *args: Any,
        receivers: Receivers | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, receiver, *args, receivers=receivers or project_receivers, **options)

    def send(
        self,
        message: RawMessage | None = None,
        suffix: str | None = None,
        *,
        on_commit: bool | None = None,
        using: str | None = None,
        **options: Any,
    ) -> None:
        """Send a message; the options are those of django_sqs_kombu's class, and:

        :param on_commit: send when the database transaction is committed, and not at all
            when it is rolled back; at once outside one.  Default: SQS_SEND_ON_COMMIT.
            What is wrong with the message is raised now all the same.
        :param using: the database of that transaction; default: the default database.
        """
        send = self.prepare(message, suffix, **options)
        if conf.send_on_commit if on_commit is None else on_commit:
            transaction.on_commit(send, using)
        else:
            send()

    async def asend(
        self, message: RawMessage | None = None, suffix: str | None = None, **options: Any
    ) -> None:
        """Send from asynchronous code; the options are those of :meth:`send`."""
        on_commit = options.get("on_commit")
        # A transaction belongs to the thread that Django's database code runs in.
        in_transaction = conf.send_on_commit if on_commit is None else on_commit
        send = sync_to_async(self.send, thread_sensitive=in_transaction)
        await send(message, suffix, **options)

    def send_many(
        self,
        items: Iterable[Any],
        suffix: str | None = None,
        *,
        on_commit: bool | None = None,
        using: str | None = None,
        **options: Any,
    ) -> int:
        """Send many messages; the options are those of django_sqs_kombu's class, and:

        :param on_commit: as in :meth:`send`; the items are kept until then.
        :param using: as in :meth:`send`.
        :returns: how many were sent, or are to be sent at the commit.
        """
        wait = conf.send_on_commit if on_commit is None else on_commit
        if not (wait and transaction.get_connection(using).in_atomic_block):
            return super().send_many(items, suffix, **options)
        kept = list(items)
        send = partial(super().send_many, kept, suffix, **options)
        transaction.on_commit(send, using)
        return len(kept)

    def run_async(self, receiver: AsyncReceiver, message: RawMessage) -> Any:
        """Run an asynchronous receiver; its database code runs in this thread."""
        return async_to_sync(within)(receiver(message), self.timeout)

    @contextmanager
    def around_message(self) -> Iterator[None]:
        """Look after the database connections."""
        reset_queries()
        close_old_connections()
        try:
            yield
        finally:
            if self.close_database:
                connections.close_all()
            else:
                close_old_connections()


# Set here, since RegisteredQueue's default registry is imported above.
project_receivers.queue_class = RegisteredQueue
