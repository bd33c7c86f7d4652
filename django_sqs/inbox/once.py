"""run_once: a receiver's effect and the note that it was had, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, IntegrityError, router, transaction

from django_sqs_kombu.exceptions import RestartLater
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.transport import Trail

from .models import ReceivedMessage

logger = logging.getLogger(__name__)


def run_once(queue: str, message: RawMessage, receive: Callable[[RawMessage], Any]) -> Any:
    """Run *receive* in a transaction, unless *message* was received before.

    A message is known by the id that it keeps when it is sent anew, or by SQS's.  Two
    workers with the same message wait for one another in the database.

    :raises RestartLater: the database could not note the message now.
    """
    using = router.db_for_write(ReceivedMessage)
    with transaction.atomic(using=using, durable=True):
        if not _note(queue, identity(message), using):
            logger.info("Message %s was received before; it has no second effect", message.id)
            return None
        return receive(message)


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
    except DatabaseError as exc:
        logger.error("Message %s is tried again later: it cannot be noted: %s", message_id, exc)
        raise RestartLater from exc
    return True
