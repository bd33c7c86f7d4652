"""run_once: a receiver's effect and the note that it was had, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, IntegrityError, connections, transaction
from django.db.transaction import TransactionManagementError

from django_sqs_kombu.exceptions import EnvironmentFailure, PassesSoon
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.transport import Trail

from ..connections import alias_of, connect, drop, used_here
from ..database_errors import as_it_counts
from ..not_migrated import NotMigrated, lacks_tables
from .caught import NOT_COMMITTED, CaughtErrors, passes
from .models import ReceivedMessage

logger = get_logger(__name__)

#: The states of a PostgreSQL connection, to either driver: without a transaction, and with one in
#: which a statement has failed.
IDLE, IN_ERROR = 0, 3
CAUGHT = (
    "A receiver with once=True returned although its transaction has to be rolled back, so it "
    "would have no effect. If the receiver catches database errors, put the statements that may "
    "raise them into a transaction.atomic() block of their own, inside the try."
)
ENDED = (
    "A receiver with once=True returned although a statement of its own, such as ROLLBACK, COMMIT "
    "or INSERT OR ROLLBACK, had ended the transaction around it: what it did before may be undone. "
    "Put what may be rolled back into a transaction.atomic() block."
)

REPLACED = (
    "A receiver with once=True returned although it had replaced Django's connection to {!r}, "
    "which has the transaction around it: what it did before that is undone, and what it did after "
    "that is committed by itself. Leave connections[...] as it is."
)

#: So many ids are asked for in one query, which every database takes.
MOST_ASKED = 500


class DeadlockCaught(PassesSoon, EnvironmentFailure):
    """Nothing is to be committed: the receiver has caught the deadlock that undid its work."""

    def __init__(self) -> None:
        super().__init__("The receiver's work was rolled back: it caught a deadlock")


def run_once(queue: str, message: RawMessage, receive: Callable[[RawMessage], Any]) -> Any:
    """Run *receive* in a transaction, unless *message* was received before."""
    return run_all_once(queue, [message], lambda new: receive(new[0]))


def run_all_once(
    queue: str, messages: list[RawMessage], receive: Callable[[list[RawMessage]], Any]
) -> Any:
    """Run *receive* in a transaction on those of *messages* that were not received before.

    The others are marked as ``received_before``.  All are noted in that transaction, but those
    of which the receiver said that they failed, or are to be restarted.

    A message is known by the id that it keeps when it is sent anew, or by SQS's.  Two
    workers with the same message wait for one another in the database.

    Where the caller is in a transaction, such as a TestCase's, it is a part of that.

    :raises EnvironmentFailure: the database cannot begin, note the message or commit now.
    :raises TransactionManagementError: the receiver returned, but caught an error for which the
        transaction is rolled back.
    """
    noted, raised, using = False, None, DEFAULT_DB_ALIAS
    try:
        using = alias_of(ReceivedMessage)
        connect(using)
        with transaction.atomic(using=using):
            earlier = _rolled_back_for(using)
            new = _note_all(queue, messages, using)
            noted = True
            if not new:
                return None
            own = connections[using]
            errors = CaughtErrors(own)
            try:
                with errors.noted():
                    received = _receive_on(own, receive, list(new.values()))
                    _check_whole(using, errors, earlier, queue, next(iter(new)))
            except BaseException as exc:
                raised = exc
                raise
            _forget(queue, [name for name, each in new.items() if each.verdict is not None], using)
            return received
    except Error as exc:
        # What a commit says of the data, as of a constraint that is deferred to it, is the
        # receiver's own, too. A driver may call a connection that broke just an error.
        of_itself = passes(exc) or not noted or connections[using].connection is None
        if exc is raised or not of_itself:
            raise
        if not noted and lacks_tables(exc):
            raise NotMigrated("django_sqs.inbox", using, exc) from exc
        what = "committed" if noted else "noted"
        raise EnvironmentFailure(f"Its receipt cannot be {what}: {exc}") from as_it_counts(exc)


def identity(message: RawMessage) -> str:
    """The id by which *message* is known, however often it is sent."""
    return str(Trail.of(message.message_attributes).id or message.id)[:100]


def _note_all(queue: str, messages: list[RawMessage], using: str) -> dict[str, RawMessage]:
    """Note messages as received; return those that were not, each once, by their identities."""
    by_id: dict[str, RawMessage] = {}
    for message in messages:
        by_id.setdefault(identity(message), message)
    # In one order, so that two workers with some of the same wait for one another in turn.
    ids = sorted(by_id)
    if len(ids) > 1:
        ids = _note_together(queue, ids, using)
    else:
        ids = [each for each in ids if _note(queue, each, using)]
    new = set(ids)
    for message_id, message in by_id.items():
        if message_id not in new:
            message.received_before = True
            logger.info("Message %s was handled before; its receiver is not run again", message.id)
    return {message_id: message for message_id, message in by_id.items() if message_id in new}


def _note_together(queue: str, ids: list[str], using: str) -> list[str]:
    """Note several; return those that were not noted before."""
    known: set[str] = set()
    noted = ReceivedMessage.objects.using(using).filter(queue=queue)
    for start in range(0, len(ids), MOST_ASKED):
        asked = ids[start : start + MOST_ASKED]
        known.update(noted.filter(message_id__in=asked).values_list("message_id", flat=True))
    new = [each for each in ids if each not in known]
    rows = [ReceivedMessage(queue=queue, message_id=each) for each in new]
    try:
        with transaction.atomic(using=using):
            ReceivedMessage.objects.using(using).bulk_create(rows)
    except IntegrityError:
        # Another worker has noted some of them since.
        new = [each for each in new if _note(queue, each, using)]
    # At READ UNCOMMITTED a note that is seen may still be rolled back: a write waits for that.
    return new + [each for each in ids if each in known and _note(queue, each, using)]


def _forget(queue: str, ids: list[str], using: str) -> None:
    """Take back the notes of messages that are to be received again."""
    for start in range(0, len(ids), MOST_ASKED):
        asked = ids[start : start + MOST_ASKED]
        ReceivedMessage.objects.using(using).filter(queue=queue, message_id__in=asked).delete()


def _note(queue: str, message_id: str, using: str) -> bool:
    try:
        # A savepoint, since an error spoils the transaction around it.
        with transaction.atomic(using=using):
            ReceivedMessage.objects.using(using).create(queue=queue, message_id=message_id)
    except IntegrityError:
        return False
    return True


def _receive_on(
    own: Any, receive: Callable[[list[RawMessage]], Any], messages: list[RawMessage]
) -> Any:
    """Run *receive*, and see to it that the transaction ends on the connection that it is on.

    :param own: that connection.
    :raises TransactionManagementError: the receiver has replaced it.
    """
    try:
        received = receive(messages)
    except EnvironmentFailure as exc:
        # Such as that the transaction is over, for which it is looked by the database's alias.
        if _put_back(own):
            raise TransactionManagementError(REPLACED.format(own.alias)) from exc
        raise
    except BaseException:
        _put_back(own)
        raise
    if _put_back(own):
        raise TransactionManagementError(REPLACED.format(own.alias))
    return received


def _put_back(own: Any) -> bool:
    """Have this thread use its connection *own* again; return whether another was in its place."""
    other = next((each for each in used_here() if each.alias == own.alias), None)
    if other is own:
        return False
    connections[own.alias] = own
    if other is not None:
        drop(other)
    return True


def _check_whole(
    using: str, errors: CaughtErrors, earlier: Exception | None, queue: str, message_id: str
) -> None:
    """See to it that the transaction in which a receiver returned is one to commit.

    Django, and PostgreSQL as well, roll back one in which an error was caught, and say
    nothing: the message would be deleted without its effect.

    :param errors: what failed while the receiver ran.
    :param earlier: the error for which the connection was to roll back some time before.
    """
    connection: Any = connections[using]
    status = None
    if connection.vendor == "postgresql":
        info = getattr(connection.connection, "info", None)
        status = getattr(info, "transaction_status", None)
    is_over = getattr(connection.connection, "in_transaction", None) is False
    caught = _rolled_back_for(using)
    caught = None if caught is earlier else caught
    if connection.needs_rollback or status == IN_ERROR:
        if caught is None or not passes(caught):
            caught = errors.of_database or caught
        if caught is not None and passes(caught):
            raise EnvironmentFailure(NOT_COMMITTED.format(caught)) from as_it_counts(caught)
        raise TransactionManagementError(CAUGHT) from caught
    if status == IDLE or (connection.vendor == "sqlite" and is_over):
        raise TransactionManagementError(ENDED) from caught
    failed = connection.vendor == "mysql" and connection.errors_occurred
    if failed or errors.may_have_ended:
        notes = ReceivedMessage.objects.using(using)
        if not notes.filter(queue=queue, message_id=message_id).exists():
            if failed:
                # At a deadlock it undoes all that was done and goes on in a new transaction.
                raise DeadlockCaught
            raise TransactionManagementError(ENDED) from caught
    if errors.ended:
        raise TransactionManagementError(ENDED) from caught


def _rolled_back_for(using: str) -> Exception | None:
    """The last error for which the connection was to roll back; Django forgets none."""
    return getattr(connections[using], "rollback_exc", None)
