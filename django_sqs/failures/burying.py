"""Burying: dead letters are taken out of SQS, which deletes them after 14 days, and kept here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from django.db import Error, router, transaction
from django.db.models import F

from django_sqs_kombu import Failure as Told
from django_sqs_kombu.exceptions import (
    ConfigurationError,
    EnvironmentFailure,
    QueueDoesNotExist,
    SQSError,
)
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import without_fail
from django_sqs_kombu.printable import NAME, TEXT, line, text_of
from django_sqs_kombu.quotas import MAX_MESSAGES
from django_sqs_kombu.transport import Delivery, SQSMessage, Trail, moved_from
from django_sqs_kombu.working import FAILURE

from ..connections import alias_for_logs, now_and_then
from ..not_migrated import told
from ..operations.queues import Target, targets
from ..refused_writes import answers
from ..registry import receivers
from ..storable import storable_text
from ..worker.companions import Beside, InThread
from .fingerprints import hashed
from .models import Failure, FailureGroup, State
from .noting import MOST_ERROR, row_of
from .writing import write_all

logger = get_logger(__name__)

#: Seconds that dead letters are hidden from others while they are written down.
HOLD = 60
#: Seconds between two looks of a worker.
PERIOD = 60.0
#: The most of one look, so that a stop is heeded.
MOST = 1_000
UNKNOWN = "Dead letter"
UNTOLD = "SQS moved it to the dead letters; why it failed was not noted here."


def bury(target: Target, *, limit: int) -> Iterator[int]:
    """Take up to *limit* dead letters of a queue out of SQS; yield how many, again and again.

    Each is deleted only after it was written down; one that is found again, since it was not
    deleted, is not written twice.  One whose payload in S3 cannot be read now stays in SQS.

    :raises ConfigurationError: it has no dead-letter queue.
    :raises SQSError: SQS refused.
    """
    dead_letters, requests, left = target.dead_letters, target.requests, limit
    try:
        requests.existing_url(dead_letters)
    except QueueDoesNotExist:
        # There are no dead letters yet.
        return
    unread: set[object] = set()
    while left > 0:
        found = requests.receive(dead_letters, min(MAX_MESSAGES, left), 1, HOLD)
        if unread.issuperset(message["MessageId"] for message in found):
            # None, or those that could not be read, which took longer to say than they are hidden.
            return
        kept = keep(target, dead_letters, found)
        unread |= {message["MessageId"] for message in found if message not in kept}
        errors = requests.delete_batch(dead_letters, kept) if kept else []
        for failure in errors:
            if failure is not None:
                logger.warning(
                    "A dead letter of %s is stored here, but could not be deleted from SQS: %s",
                    dead_letters,
                    failure,
                )
        left -= len(found)
        yield len(kept)


def keep(target: Target, dead_letters: str, found: Sequence[SQSMessage]) -> list[SQSMessage]:
    """Write dead letters down, beside what is known of their failures.

    :returns: those that are; of the others the payload in S3 cannot be read now, or the database
        refuses them, since they are too large say.
    :raises django.db.Error: nothing is written.
    """
    letters = [letter for m in found if (letter := _read(target, dead_letters, m)) is not None]
    using = router.db_for_write(Failure)
    try:
        _keep_all(using, letters)
    except Error as exc:
        if len(letters) == 1 or not answers(using, exc):
            raise
        letters = _keep_each(using, letters, dead_letters)
    return [letter.message for letter in letters]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter that was read.

    :param target: the queue that it comes from.
    :param told: why it failed, as far as it says so itself.
    """

    target: Target
    told: Told
    message: SQSMessage
    delivery: Delivery


def _read(target: Target, dead_letters: str, message: SQSMessage) -> Letter | None:
    """A dead letter as it can be written down; None: its payload cannot be read now.

    Written with the pointer to that for a body, it would be lost.
    """
    delivery = _delivery(target, message)
    if isinstance(error := delivery.held.error, EnvironmentFailure):
        logger.warning(
            "Dead letter %s of %s stays in SQS until it can be read: %s",
            line(delivery.message_id, NAME),
            dead_letters,
            error,
        )
        return None
    told = _told(delivery)
    source = _source(message, told, dead_letters) or target
    if source.full_name != target.full_name:
        delivery.held.queue = source.full_name
    return Letter(source, told, message, delivery)


def _keep_all(using: str, letters: Sequence[Letter]) -> None:
    with transaction.atomic(using=using):
        for letter in letters:
            _keep(using, letter)


def _keep_each(using: str, letters: Sequence[Letter], dead_letters: str) -> list[Letter]:
    """Write each down alone; return those that the database took.

    :raises django.db.Error: it took none, or is away.
    """
    kept: list[Letter] = []
    for letter in letters:
        try:
            _keep_all(using, [letter])
        except Error as exc:
            if not answers(using, exc) or (letter is letters[-1] and not kept):
                raise
            logger.warning(
                "Dead letter %s of %s cannot be stored, and stays in SQS: %s",
                line(letter.delivery.message_id, NAME),
                dead_letters,
                line(text_of(exc), TEXT),
            )
        else:
            kept.append(letter)
    return kept


def _keep(using: str, letter: Letter) -> None:
    own, message, target = Failure.objects.using(using), letter.message, letter.target
    message_id, receipt = str(message.get("MessageId"))[:100], _receipt(message)
    if own.filter(receipt=receipt).exists():
        # Written before, and not deleted then, whatever somebody has decided about it since.
        return
    # One that was sent to the dead letters, and not moved by SQS, is another to SQS.
    known_as = {message_id, str(Trail.received(message).id)[:100]}
    same = own.filter(message_id__in=known_as, full_name=target.full_name).order_by("-pk")
    earlier = same.first()
    if earlier is not None and earlier.state == State.WAITING:
        # Written before, and not deleted then.
        return
    if earlier is not None and earlier.state == State.IN_QUEUE:
        own.filter(pk=earlier.pk).update(state=State.WAITING, receipt=receipt)
        group = FailureGroup.objects.using(using).filter(pk=earlier.group_id)
        group.update(waiting=F("waiting") + 1)
        return
    row = _row(letter)
    row.receipt = receipt
    write_all(using, [(hashed(target.registered.name, row.error_class), row)])


def _receipt(message: SQSMessage) -> str:
    """What tells a dead letter from all others, each time that it is received."""
    return hashed("dead letter", str(message.get("MessageId")))


def _row(letter: Letter) -> Failure:
    told = letter.told
    return row_of(
        letter.target.registered.name,
        letter.delivery,
        state=State.WAITING,
        error_class=storable_text(told.error)[:200] or UNKNOWN,
        error=storable_text(told.text)[:MOST_ERROR] or UNTOLD,
        traceback=storable_text(told.traceback),
    )


def _delivery(target: Target, message: SQSMessage) -> Delivery:
    return target.channel.delivery(target.full_name, message, settles=False)


def _told(delivery: Delivery) -> Told:
    """Why a dead letter failed, as far as it says so itself.

    Where the message had ten attributes, a header of its envelope says it.
    """
    told = Told.read(delivery.sqs_message.get("MessageAttributes"))
    if told is None:
        facts = (delivery.headers or {}).get(FAILURE)
        told = Told.known(facts) if isinstance(facts, dict) else Told()
    return told


def _source(message: SQSMessage, told: Told, dead_letters: str) -> Target | None:
    """The queue of this project that a dead letter comes from.

    What SQS says counts.  What the message says anybody may have written, so it is believed of
    queues with these dead letters alone.
    """
    found = targets(receivers.select())
    if name := moved_from(message):
        return next((t for t in found if t.full_name == name), None)
    own = (t for t in found if t.registered.full_dead_letter_name == dead_letters)
    return next((t for t in own if t.full_name == told.queue), None)


def dead_letters_of(target: Target) -> str | None:
    """The name in SQS of a queue's dead-letter queue; None: it has none.

    :raises SQSError: SQS does not tell.
    """
    try:
        return target.dead_letters
    except (ConfigurationError, QueueDoesNotExist):
        return None


def companion(beside: Beside) -> InThread | None:
    """What buries dead letters beside a worker that was told to."""
    if not beside.bury:
        return None
    stopping = threading.Event()

    def run() -> None:
        while not stopping.is_set():
            _bury_all(list(beside.names.values()), stopping.is_set)
            without_fail(partial(stopping.wait, PERIOD))

    return InThread(run, stopping.set, "sqs-bury", beside.turn)


def _bury_one(target: Target, known: set[str], stops: Callable[[], bool]) -> None:
    """Bury those of one queue, unless its dead-letter queue is *known*."""
    if (dead_letters := dead_letters_of(target)) is None or dead_letters in known:
        return
    known.add(dead_letters)
    count = 0
    for number in bury(target, limit=MOST):
        count += number
        if stops():
            return
    if count:
        logger.info("%d dead letters of queue %s were stored in the database", count, target.label)


def _bury_all(names: Sequence[str], stops: Callable[[], bool]) -> None:
    known: set[str] = set()
    with _going_on("Dead letters"):
        for target in targets(receivers.select(names)):
            if stops():
                return
            # What is wrong with those of one queue keeps no others in SQS, which deletes them.
            with _going_on(f"Dead letters of queue {target.label}", of_one=True):
                _bury_one(target, known, stops)


@contextmanager
def _going_on(what: str, *, of_one: bool = False) -> Iterator[None]:
    """Log what fails in the block, and go on.

    :param of_one: it is about one of several queues: a database that is away is away for all.
    """
    try:
        with now_and_then():
            yield
    except (Error, SQSError) as exc:
        if of_one and isinstance(exc, Error) and not answers(router.db_for_write(Failure), exc):
            raise
        said = told(exc, alias_for_logs(Failure))
        logger.warning("%s could not be taken out of SQS, trying again: %s", what, said)
    except Exception:
        logger.exception("%s could not be taken out of SQS, trying again", what)
