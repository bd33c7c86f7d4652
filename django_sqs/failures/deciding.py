"""Deciding: failed messages are sent again or discarded, each by one person at most."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import connections, router, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_sqs_kombu.drops import MessageExpired
from django_sqs_kombu.exceptions import EnvironmentFailure, RequestFailed, SQSError
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.names import DEFAULT_GROUP, FIFO
from django_sqs_kombu.quotas import MAX_MESSAGE_BYTES, size_of
from django_sqs_kombu.transport import (
    SIZE_ATTRIBUTES,
    TRACE,
    Trail,
    copy_of,
    fitted,
    has_expired,
    is_pointer,
    rewritten,
    send_list,
)
from django_sqs_kombu.working import FAILURE
from django_sqs_kombu.working import Failure as Told

from ..clocks import bring_forward
from ..language import Text, of_the_site
from ..operations.asking import NotAnsweredYet
from ..registry import receivers
from .fingerprints import hashed
from .models import Failure, FailureGroup, State

logger = get_logger(__name__)

#: Asks SQS, by the question's name.
Ask = Callable[[str, Callable[[], Any]], Any]

#: Messages that are claimed, and sent, at once.
BATCH = 100
#: Time after which a message that was being sent may be sent by somebody else: whoever did it
#: has died, and nobody knows whether SQS has it.
STUCK = timedelta(minutes=10)
#: Attributes that are not sent again: why it is a dead letter, and that its payload was in S3,
#: which was kept and is offloaded anew; but not of one that was never read, and is there still.
_NOT_SENT = {FAILURE}
_OF_PAYLOAD = frozenset(SIZE_ATTRIBUTES)


class _NotSent(SQSError):
    """A failed message is not sent again; why is kept with it, so in the site's language."""

    def __init__(self, why: Text) -> None:
        with of_the_site():
            super().__init__(str(why))


@dataclass(slots=True)
class Decided:
    """What became of messages that somebody decided about.

    :ivar done: how many were sent or discarded.
    :ivar refused: how many SQS did not take, have expired, or have no body that was kept; they
        wait on.
    :ivar why: of one of those.
    :ivar groups: those that messages were sent or discarded of.
    :ivar failure: why the last of them may have been sent or not, and all others wait on.
    """

    done: int = 0
    refused: int = 0
    why: str = ""
    groups: set[int] = field(default_factory=set)
    failure: SQSError | None = None


def open_failures(rows: QuerySet[Failure]) -> QuerySet[Failure]:
    """Those of *rows* that wait for a decision, or were being sent by somebody who has died."""
    stuck = Q(state=State.SENDING, changed_at__lt=timezone.now() - STUCK)
    return rows.filter(Q(state=State.WAITING) | stuck)


def left_to_sqs(rows: QuerySet[Failure]) -> QuerySet[Failure]:
    """Those of *rows* whose message SQS was to deliver again, or to move to the dead letters."""
    return rows.filter(state=State.IN_QUEUE)


def discard(rows: QuerySet[Failure], *, by: str, limit: int) -> Decided:
    """Discard up to *limit* of *rows* that wait; their bodies are kept until they are pruned.

    Of a message that was left to SQS only the row is: SQS may deliver it still.
    """
    decided = Decided()
    while decided.done < limit:
        claimed = _claim(rows, State.DISCARDED, by, min(BATCH, limit - decided.done))
        if not claimed:
            break
        decided.done += len(claimed)
        decided.groups |= {row.group_id for row in claimed}
    return decided


def send_again(
    rows: QuerySet[Failure],
    *,
    by: str,
    limit: int,
    ask: Ask | None = None,
    text: str | None = None,
    decided: Decided | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Decided:
    """Send up to *limit* of *rows* that wait to their queues, with attributes and groups.

    Each is claimed before, so that two who do it at the same time send it once.  A message
    keeps the identity that receivers with ``once=True`` know it by.  Those that are refused keep
    none of the others waiting: they do not count.

    :param by: who does it.
    :param ask: how SQS is asked, by the name and the question; default: here and now.
    :param text: the body to send in place of what failed, for a single message.
    :param decided: is told what became of them, also before it raises.
    :param goes_on: whether there is time for more: what it is over for waits on.
    :raises SQSError: SQS could not be asked; what was not sent waits on.
    """
    decided, after = decided or Decided(), 0
    round_ = _Round(ask or _now, text, goes_on)
    while decided.done < limit and (not after or goes_on()):
        left = rows.filter(pk__gt=after).exclude(full_name__in=sorted(round_.stopped))
        claimed = _claim(left, State.SENDING, by, min(BATCH, limit - decided.done))
        if not claimed:
            break
        after = claimed[-1].pk
        _send_claimed(claimed, decided, round_)
    return decided


@dataclass(frozen=True, slots=True)
class _Round:
    """How messages are sent, and what holds for all that are sent in one go.

    :param stopped: the names in SQS of queues that would take nothing more of it.
    :param failed_groups: by such a name, the message groups that nothing may overtake in.
    :param unwritten: why S3 did not take the payload of one of a FIFO queue's message group, by
        the queue's name in SQS and the group.
    """

    ask: Ask
    text: str | None
    goes_on: Callable[[], bool]
    stopped: set[str] = field(default_factory=set)
    failed_groups: dict[str, dict[str, RequestFailed]] = field(default_factory=dict)
    unwritten: dict[tuple[str, str], str] = field(default_factory=dict)


def _now(name: str, question: Callable[[], Any]) -> Any:
    return question()


def _claim(rows: QuerySet[Failure], state: State, by: str, count: int) -> list[Failure]:
    using = router.db_for_write(Failure)
    features = connections[using].features
    skip = features.has_select_for_update_skip_locked
    sending = Failure.objects.using(using).filter(state=State.SENDING)
    # A clock may have been far ahead: what its host was sending is as good as begun now.
    bring_forward(sending, "changed_at", timedelta(0))
    with transaction.atomic(using=using):
        if not features.has_select_for_update:
            # On SQLite who has read before they write fails at once if somebody else writes.
            sending.filter(pk=0).update(note="")
        found = open_failures(rows.using(using))
        if state is State.DISCARDED:
            found |= left_to_sqs(rows.using(using))
        else:
            # The admin's list leaves bodies out, which would be asked for row by row.
            found = found.defer(None)
        claimed = list(found.order_by("pk").select_for_update(skip_locked=skip, of=())[:count])
        keys = [row.pk for row in claimed]
        own = Failure.objects.using(using).filter(pk__in=keys)
        own.update(state=state, changed_at=timezone.now(), changed_by=by[:150], note="")
        # What was being sent by somebody who died is counted as waiting still.
        if state is State.DISCARDED:
            _uncount(using, [row for row in claimed if row.state != State.IN_QUEUE])
    return claimed


def _send_claimed(claimed: Sequence[Failure], decided: Decided, round_: _Round) -> None:
    by_queue: dict[str, list[Failure]] = defaultdict(list)
    for row in claimed:
        by_queue[row.full_name].append(row)
    left = dict(by_queue)
    try:
        for number, (full_name, rows) in enumerate(by_queue.items()):
            if number and not round_.goes_on():
                break
            # Whatever is raised, those that nobody has an answer about may have been sent.
            del left[full_name]
            try:
                errors = _send_to(full_name, rows, round_)
            except RequestFailed as exc:
                round_.stopped.add(full_name)
                errors = dict.fromkeys(rows, str(exc))
            _settle(errors, decided)
            left[full_name] = [row for row in rows if row not in errors]
    finally:
        _give_back([row for rows in left.values() for row in rows])


def _give_back(rows: Sequence[Failure]) -> None:
    """Have messages that were claimed, and not sent, wait on."""
    if rows:
        own = Failure.objects.using(router.db_for_write(Failure))
        keys = [row.pk for row in rows]
        own.filter(pk__in=keys, state=State.SENDING).update(state=State.WAITING)


def _send_to(full_name: str, rows: Sequence[Failure], round_: _Round) -> dict[Failure, str | None]:
    """Why each was not sent, None where it was; those for which there was no time are missing."""
    channel: Any = receivers.channel()
    errors: dict[Failure, str | None] = {}
    entries: dict[Failure, dict[str, Any]] = {}
    for row in rows:
        if (why := round_.unwritten.get((full_name, row.message_group))) is not None:
            errors[row] = _behind(why)
            continue
        try:
            entry = _entry_in_time(row, round_.text)
            if size_of(entry) > MAX_MESSAGE_BYTES:
                # S3 may be as slow as SQS: when the time is over, what is ready is sent.
                if (errors or entries) and not round_.goes_on():
                    break
                entry = _written_to_s3(channel.payloads, row, entry, round_)
            entries[row] = fitted(channel.payloads, full_name, entry)
        except SQSError as exc:
            errors[row] = str(exc)
    if not entries:
        return errors
    groups = round_.failed_groups.setdefault(full_name, {})
    name = f"send {rows[0].pk} and {len(rows)} failed messages to {full_name}"
    given = list(entries.values())
    sent = round_.ask(name, lambda: send_list(channel.requests, full_name, given, groups))
    if sent.stopped:
        round_.stopped.add(full_name)
    for row, error in zip(entries, sent.errors, strict=True):
        errors[row] = None if error is None else str(error)
    return errors


def _entry_in_time(row: Failure, text: str | None) -> dict[str, Any]:
    """What SendMessage needs.

    :raises _NotSent: its body was not kept, or it has expired.
    """
    if not row.body:
        raise _NotSent(_("Its body was not kept."))
    entry = entry_of(row, text)
    if (why := _why_late(entry)) is not None:
        raise _NotSent(why)
    return entry


def _written_to_s3(
    payloads: Any, row: Failure, entry: dict[str, Any], round_: _Round
) -> dict[str, Any]:
    """*entry*, which is too large for SQS, with its payload in S3.

    :raises SQSError: it is not there; the text says why.
    """
    # A name of its own: what another click has asked may have another text.
    name = f"write the payload of failed message {row.pk} to S3, {uuid4().hex}"
    failure: SQSError
    try:
        written: dict[str, Any] = round_.ask(name, lambda: fitted(payloads, row.full_name, entry))
        return written
    except NotAnsweredYet:
        failure = _NotSent(_("S3 did not take its payload in time."))
    except EnvironmentFailure as exc:
        failure = exc
    if row.full_name.endswith(FIFO):
        round_.unwritten[row.full_name, row.message_group] = str(failure)
    raise failure


def _behind(why: str) -> str:
    """Why one is not sent that would overtake an earlier one of its message group."""
    with of_the_site():
        says = gettext("An earlier message of its group was not sent: %(why)s")
    return says % {"why": why}


def _why_late(entry: Mapping[str, Any]) -> str | None:
    """Why a message would be deleted unrun; None: it has not expired."""
    trail = Trail.of(entry.get("MessageAttributes"))
    if trail.expires is None or not has_expired(trail):
        return None
    with of_the_site():
        says = gettext("It expired at %(time)s: no receiver would start with it.")
    return says % {"time": MessageExpired(trail.expires).when}


def _settle(errors: Mapping[Failure, str | None], decided: Decided) -> None:
    using = router.db_for_write(Failure)
    sent = [row for row, error in errors.items() if error is None]
    refused = [row for row, error in errors.items() if error is not None]
    for row in refused:
        row.state, row.note = State.WAITING, str(errors[row])[:500]
    with transaction.atomic(using=using):
        own = Failure.objects.using(using)
        own.filter(pk__in=[row.pk for row in sent]).update(state=State.SENT)
        # One statement: there may be thousands, none of which keeps the others waiting.
        own.bulk_update(refused, ["state", "note"])
        _uncount(using, sent)
    decided.done += len(sent)
    decided.groups |= {row.group_id for row in sent}
    decided.refused += len(refused)
    decided.why = next(filter(None, errors.values()), decided.why)


def _uncount(using: str, rows: Sequence[Failure]) -> None:
    """They wait no more."""
    counts = Counter(row.group_id for row in rows)
    for group, count in sorted(counts.items()):
        own = FailureGroup.objects.using(using).filter(pk=group)
        own.update(waiting=F("waiting") - count)


def entry_of(row: Failure, text: str | None = None) -> dict[str, Any]:
    """What SendMessage needs to send a failed message again.

    :param text: the body to send in its place, inside of the same envelope.
    """
    was_read = text is not None or not is_pointer(row.body)
    message = {
        "Body": row.body if text is None else edited(row.body, text),
        "MessageAttributes": {
            name: _received(value)
            for name, value in row.attributes.items()
            if name not in _NOT_SENT and not (was_read and name in _OF_PAYLOAD)
        },
        "Attributes": {"MessageGroupId": row.message_group, TRACE: row.trace},
    }
    # Its identity, and where its receiver goes on; it has all its tries again.
    trail = Trail.of(row.attributes)
    told = Told.read(row.attributes)
    if told is not None and told.queue not in ("", row.full_name):
        # A dead letter that its own receiver has failed on: it was not late, and is not now.
        trail = replace(trail, expires=None)
    kept = replace(trail, id=trail.id or row.message_id, due=None, sent=None, restarts=0, tries=0)
    entry = copy_of(message, kept)
    if row.full_name.endswith(FIFO):
        entry.setdefault("MessageGroupId", DEFAULT_GROUP)
        # The same should an answer be lost, and another for what was edited. What fails again is
        # another delivery, and has another row.
        parts = (row.receipt,) if text is None else (row.receipt, text)
        entry["MessageDeduplicationId"] = hashed(*parts)
    return entry


def _received(attribute: Mapping[str, str]) -> dict[str, Any]:
    """A message attribute as it was received, of what is kept of it."""
    if "BinaryValue" not in attribute:
        return dict(attribute)
    return {**attribute, "BinaryValue": base64.b64decode(attribute["BinaryValue"])}


def edited(body: str, text: str) -> str:
    """*body* with *text* in place of what its envelope holds, or of itself."""

    def edit(envelope: dict[str, Any]) -> None:
        envelope["headers"].pop("compression", None)
        envelope["properties"].pop("body_encoding", None)
        envelope.update({"body": text, "content-encoding": "utf-8"})

    edited = rewritten(body, edit)
    return text if edited is None else edited
