"""KeyDatabase: which transaction a message with a key of ``unique=`` may wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.working import TicketStore

from .commits import in_transaction


@dataclass(frozen=True, slots=True)
class KeyDatabase:
    """The database of the keys, whose rollback gives a key back; that of another does not.

    :param queue: the queue's name, for errors.
    :param alias: None: the keys are in no database.
    """

    queue: str
    alias: str | None

    @classmethod
    def of(cls, queue: str, tickets: TicketStore | None) -> KeyDatabase:
        """That of a store of tickets."""
        return cls(queue, getattr(tickets, "database", None))

    def transaction(self, waits: bool, using: str | None) -> str | None:
        """The alias of the database whose commit a message waits for; None: it goes at once.

        :param waits: whether it waits for a commit whatever it has.
        :param using: the database of that commit; None: the default one.
        :raises ConfigurationError: a rollback there would leave the key without a message.
        """
        database = using or DEFAULT_DB_ALIAS
        if waits and database != self.alias and in_transaction(database):
            raise ConfigurationError(
                f"Queue {self.queue!r}: unique= for a message that waits for a commit needs the "
                f"tables of django_sqs.tickets in the database of that transaction, {database!r}, "
                f"but they are in {self.alias!r}. Route them there, or pass on_commit=False."
            )
        # What is rolled back would give its key back, though it was sent.
        if self.alias is not None and in_transaction(self.alias):
            return self.alias
        return database if waits else None

    def check_waits(self, databases: Sequence[str]) -> None:
        """Raise :class:`ConfigurationError` unless one of *databases* has the keys.

        :param databases: those whose commit a message waits for.
        """
        if self.alias not in databases:
            raise ConfigurationError(
                f"Queue {self.queue!r}: a unique task that waits for a commit needs the tables of "
                f"django_sqs.tickets in a database of that transaction ({', '.join(databases)}), "
                f"but they are in {self.alias!r}. Route them there, or enqueue outside of the "
                "transaction."
            )

    def check_at_once(self, until: str | None) -> None:
        """Raise :class:`ConfigurationError` for a message that may end before its key is there."""
        if until is not None and self.alias is not None and in_transaction(self.alias):
            raise ConfigurationError(
                f"Queue {self.queue!r}: unique_until= cannot be combined with on_commit=False in "
                f"a transaction of {self.alias!r}, where its key is kept: a receiver may be done "
                "with the message before the commit, and the key would then stay until "
                "unique_for is over. Leave out on_commit, or send it outside of the transaction."
            )

    def check_outbox(self, database: str) -> None:
        """Raise :class:`ConfigurationError` unless the outbox's table is in the same database."""
        if self.alias != database:
            raise ConfigurationError(
                f"Queue {self.queue!r}: unique= with outbox=True needs the tables of "
                "django_sqs.outbox and django_sqs.tickets in one database, but they are in "
                f"{database!r} and {self.alias!r}. Route both to one, or pass "
                f"using={self.alias!r}."
            )
