"""RegisteredQueue and its ReceiverProxy, under the original's names and with Django's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import close_old_connections, connections, reset_queries

from django_sqs_kombu import registered_queue as base
from django_sqs_kombu.exceptions import RestartLater, TimedOut, UnknownSuffixWarning
from django_sqs_kombu.registered_queue import Receiver, ReceiverProxy
from django_sqs_kombu.registry import Receivers

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
