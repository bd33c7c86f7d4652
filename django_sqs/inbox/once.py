"""run_once: a receiver's effect and the note that it was had, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import (
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    router,
    transaction,
)

from django_sqs_kombu.exceptions import EnvironmentFailure
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.transport import Trail

from .models import ReceivedMessage

logger = get_logger(__name__)


def run_once(queue: str, message: RawMessage, receive: Callable[[RawMessage], Any]) -> Any:
    """Run *receive* in a transaction, unless *message* was received before.

    A message is known by the id that it keeps when it is sent anew, or by SQS's.  Two
    workers with the same message wait for one another in the database.

    Where the caller is in a transaction, such as a TestCase's, it is a part of that.

    :raises EnvironmentFailure: the database cannot begin, note the message or commit now.
    """
    using = router.db_for_write(ReceivedMessage)
    noted, raised = False, None
    try:
        with transaction.atomic(using=using):
            noted = _note(queue, identity(message), using)
            if not noted:
                logger.info("Message %s was received before; it has no second effect", message.id)
                return None
            try:
                return receive(message)
            except BaseException as exc:
                raised = exc
                raise
    except Error as exc:
        # What a commit says of the data, as of a constraint that is deferred to it, is the
        # receiver's own, too.
        passes = isinstance(exc, OperationalError | InterfaceError) or not noted
        if exc is raised or not passes:
            raise
        what = "committed" if noted else "noted"
        raise EnvironmentFailure(f"It cannot be {what} as received: {exc}") from exc


def identity(message: RawMessage) -> str:
    """The id by which *message* is known, however often it is sent."""
    return str(Trail.of(message.message_attributes).id or message.id)[:100]


def _note(queue: str, message_id: str, using: str) -> bool:
    try:
        # A savepoint, since an error spoils the transaction around it.
        with transaction.atomic(using=using):
            ReceivedMessage.objects.using(using).create(queue=queue, message_id=message_id)
    except IntegrityError:
        return False
    return True
