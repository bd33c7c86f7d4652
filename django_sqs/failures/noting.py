"""FailureNotes: has each failed delivery written down before SQS is told what becomes of it."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from django.apps import apps
from django.db import Error

from django_sqs_kombu.administration import sent_at
from django_sqs_kombu.drops import MessageDropped
from django_sqs_kombu.exceptions import EnvironmentFailure, MessageDecodeError, RestartLater
from django_sqs_kombu.messages import Delivery
from django_sqs_kombu.printable import line, text_of, traceback_of
from django_sqs_kombu.transport import TRACE, Note, group_of
from django_sqs_kombu.working import Action, Middleware, Settlement

from ..clocks import moment
from ..database_errors import is_of_database
from ..storable import storable, storable_text
from .fingerprints import class_of, fingerprint, hashed
from .models import Failure, State
from .writing import FailureWriter

#: Characters of an exception's text that are kept.
MOST_ERROR = 1000
#: Characters of X-Ray's header; it has a few hundred.
MOST_TRACE = 500
#: No failure of a message: its receiver or the library put it off, its sender has it dropped, or
#: the process was stopped.
_NO_FAILURE = (EnvironmentFailure, KeyboardInterrupt, MessageDropped, RestartLater)

_writer = FailureWriter()


class FailureNotes(Middleware):
    """Notes failed deliveries; a message is not deleted before its note is written.

    What is tried again since a database is away is not noted: there is nowhere to.
    """

    def failing(self, settlement: Settlement) -> None:
        """Have it written down."""
        raised = settlement.raised
        if raised is None or isinstance(raised, _NO_FAILURE):
            return
        if settlement.action is Action.REQUEUE and _is_of_database(raised):
            return
        settlement.delivery.also_note(Note(_writer, _failure(settlement, raised)))


def _is_of_database(raised: BaseException) -> bool:
    """Whether a database raised it, or kept it from being asked; to a message class, too."""
    if isinstance(raised, MessageDecodeError) and raised.kind is not None:
        cause = raised.__cause__
        return issubclass(raised.kind, Error) or (cause is not None and is_of_database(cause))
    return isinstance(raised, Error) or is_of_database(raised)


def _failure(settlement: Settlement, raised: BaseException) -> tuple[str, Failure]:
    """The failure's fingerprint, and its row without a group."""
    name = settlement.registered.name
    app: Any = apps.get_app_config("django_sqs_failures")
    row = row_of(
        name,
        settlement.delivery,
        state=_state(settlement),
        error_class=class_of(raised),
        error=storable_text(line(text_of(raised)))[:MOST_ERROR],
        traceback=_traceback(raised, app.most_text),
    )
    return fingerprint(name, raised), row


def row_of(name: str, delivery: Delivery, **failed: Any) -> Failure:
    """The row of a failed delivery of the queue that was registered as *name*, without a group.

    :param failed: its state, and of what raised the class, text and traceback.
    """
    message = delivery.sqs_message
    app: Any = apps.get_app_config("django_sqs_failures")
    sent = sent_at(message)
    body, text = body_of(delivery)
    return Failure(
        queue_name=name,
        full_name=delivery.queue[:80],
        message_id=delivery.message_id[:100],
        receipt=hashed(str(message.get("ReceiptHandle"))),
        body=storable_text(body) if app.keep_body else "",
        text=storable_text(app.shown(name, text)) if app.keep_body else "",
        attributes=kept_attributes(message),
        message_group=group_of(message)[:128],
        trace=_trace(message),
        receive_count=delivery.receive_count,
        worker=f"{socket.gethostname()}:{os.getpid()}"[:120],
        sent_at=moment(datetime.fromtimestamp(sent, timezone.utc)) if sent else None,
        failed_at=moment(datetime.now(timezone.utc)),
        **failed,
    )


def _trace(message: Mapping[str, Any]) -> str:
    trace = str((message.get("Attributes") or {}).get(TRACE) or "")
    # Cut it would be another's, or none.
    return storable_text(trace) if len(trace) <= MOST_TRACE else ""


def body_of(delivery: Delivery) -> tuple[str, str]:
    """The body of a message as SQS, or S3 in its place, had it, and as text for people."""
    body = str(getattr(delivery, "sqs_body", None) or delivery.text)
    try:
        return body, delivery.text
    except UnicodeDecodeError:
        return body, body


def kept_attributes(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message attributes, as JSON can hold them."""
    kept: dict[str, Any] = {}
    for name, value in (message.get("MessageAttributes") or {}).items():
        known = {part: value[part] for part in ("DataType", "StringValue") if part in value}
        if "BinaryValue" in value:
            known["BinaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
        kept[name] = known
    return dict(storable(kept))


def _state(settlement: Settlement) -> State:
    """Whether SQS has the message still, when it is settled."""
    if settlement.action is Action.DISCARD:
        return State.DISCARDED
    if settlement.action not in (Action.REJECT, Action.DEAD_LETTER):
        return State.IN_QUEUE
    named = getattr(settlement.registered, "full_dead_letter_name", None)
    if settlement.action is Action.DEAD_LETTER and named:
        return State.IN_QUEUE
    channel: Any = getattr(settlement.delivery, "channel", None)
    redrives = channel is not None and channel.requests.redrives(settlement.delivery.queue)
    return State.IN_QUEUE if redrives else State.WAITING


def _traceback(raised: BaseException, most: int) -> str:
    text = traceback_of(raised)
    # Its end says most.
    return storable_text(text[-most:])
