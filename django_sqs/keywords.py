"""Keywords: what a project's queues take by name besides what django_sqs_kombu's do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from django.db.models import Model

from django_sqs_kombu import registration as base


class QueueKeywords(base.QueueKeywords, total=False):
    """The options of a queue of the project."""

    models: Iterable[type[Model] | str] | None
    """The models, or their labels such as ``"shop.Order"``, whose rows a ModelInstanceMessage may
    name; None: every model."""
    databases: Iterable[str]
    """The aliases of the databases whose rows it may name, besides the one that the router gives
    for the model."""
    once: bool
    """Run the receiver in a transaction that also records the message's id (the app
    django_sqs.inbox), so a message that is delivered again does not take effect twice."""
    close_database: bool
    """Close all database connections after each message."""


class RegisterKeywords(QueueKeywords, base.RegisterKeywords, total=False):
    """What ``register`` and ``receiver`` take."""


class MessageKeywords(base.MessageKeywords, total=False):
    """The arguments of messages, if no message is given."""

    instance: Model | None
    """For a ModelInstanceMessage: the row."""


class _Committed(TypedDict, total=False):
    on_commit: bool | None
    """Send when the database transaction is committed, and not at all if it is rolled back;
    outside a transaction, send at once.  Default: True for a model instance, since a receiver
    could not read it before, otherwise SQS_SEND_ON_COMMIT.  An invalid message still raises now;
    if SQS refuses it after the commit, that is logged as an error, and stops no other message."""
    outbox: bool
    """Write the message to the outbox (the app django_sqs.outbox), in the caller's transaction;
    the relay sends it.  Then it is sent if and only if the transaction is committed, whatever
    crashes."""
    using: str | None
    """The database of that transaction; default: that of a model instance, otherwise the default
    database, and for the outbox the one that the project's routers have for it."""


class PlainSendKeywords(MessageKeywords, base.SendKeywords, total=False):
    """How one message is sent, apart from transactions."""


class SendKeywords(PlainSendKeywords, _Committed, total=False):
    """How one message is sent."""


class SendManyKeywords(base.SendManyKeywords, _Committed, total=False):
    """How several messages are sent; with ``outbox``, *parallel* and *progress* do not apply."""


KEYWORDS = base.Keywords(RegisterKeywords, MessageKeywords, SendKeywords, SendManyKeywords)
