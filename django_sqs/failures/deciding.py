"""Deciding: failed messages are sent again or discarded, each by one person at most."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db import connections, router, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from django_sqs_kombu.drops import MessageExpired
from django_sqs_kombu.exceptions import RequestFailed, SQSError
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.names import DEFAULT_GROUP, FIFO
from django_sqs_kombu.transport import (
    SIZE_ATTRIBUTES,
    TRACE,
    Requests,
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
from ..language import of_the_site
from ..registry import receivers
from .models import Failure, FailureGroup, State

logger = get_logger(__name__)

#: Messages that are claimed, and sent, at once.
BATCH = 100
#: Time after which a message that was being sent may be sent by somebody else: whoever did it
#: has died, and nobody knows whether SQS has it.
STUCK = timedelta(minutes=10)
#: Attributes that are not sent again: why it is a dead letter, and that its payload was in S3,
#: which was kept and is offloaded anew; but not of one that was never read, and is there still.
_NOT_SENT = {FAILURE}
_OF_PAYLOAD = frozenset(SIZE_ATTRIBUTES)


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
    ask: Callable[[str, Callable[[], Any]], Any] | None = None,
    text: str | None = None,
    decided: Decided | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Decided:
    """Send up to *limit* of *rows* that wait to their queues, with attributes and groups.

    Each is claimed before, so that two who do it at the same time send it once.  A message
    keeps the identity that receivers with ``once=True`` know it by.

    :param by: who does it.
    :param ask: how SQS is asked, by the name and the question; default: here and now.
    :param text: the body to send in place of what failed, for a single message.
    :param decided: is told what became of them, also before it raises.
    :param goes_on: whether there is time for more: what it is over for waits on.
    :raises SQSError: SQS could not be asked; what was not sent waits on.
    """
    decided, after = decided or Decided(), 0
    while decided.done + decided.refused < limit and (not after or goes_on()):
        count = min(BATCH, limit - decided.done - decided.refused)
        claimed = _claim(rows.filter(pk__gt=after), State.SENDING, by, count)
        if not claimed:
            break
        after = claimed[-1].pk
        _send_claimed(claimed, decided, ask or _now, text, goes_on)
    return decided


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
        claimed = list(found.order_by("pk").select_for_update(skip_locked=skip, of=())[:count])
        keys = [row.pk for row in claimed]
        own = Failure.objects.using(using).filter(pk__in=keys)
        own.update(state=state, changed_at=timezone.now(), changed_by=by[:150], note="")
        # What was being sent by somebody who died is counted as waiting still.
        if state is State.DISCARDED:
            _uncount(using, [row for row in claimed if row.state != State.IN_QUEUE])
    return claimed


def _send_claimed(
    claimed: Sequence[Failure],
    decided: Decided,
    ask: Callable[[str, Callable[[], Any]], Any],
    text: str | None,
    goes_on: Callable[[], bool],
) -> None:
    by_queue: dict[str, list[Failure]] = defaultdict(list)
    for row in claimed:
        by_queue[row.full_name].append(row)
    left = dict(by_queue)
    try:
        for full_name, rows in by_queue.items():
            if len(left) < len(by_queue) and not goes_on():
                break
            # Whatever is raised, those that nobody has an answer about may have been sent.
            del left[full_name]
            try:
                errors = _send_to(full_name, rows, ask, text)
            except RequestFailed as exc:
                _settle(rows, [str(exc)] * len(rows), decided)
                raise
            _settle(rows, errors, decided)
    finally:
        _give_back([row for rows in left.values() for row in rows])


def _give_back(rows: Sequence[Failure]) -> None:
    """Have messages that were claimed, and not sent, wait on."""
    if rows:
        own = Failure.objects.using(router.db_for_write(Failure))
        keys = [row.pk for row in rows]
        own.filter(pk__in=keys, state=State.SENDING).update(state=State.WAITING)


def _send_to(
    full_name: str,
    rows: Sequence[Failure],
    ask: Callable[[str, Callable[[], Any]], Any],
    text: str | None,
) -> list[str | None]:
    """Why each was not sent, None where it was."""
    channel: Any = receivers.channel()
    errors: list[str | None] = [None if row.body else _not_kept() for row in rows]
    entries, places = [], []
    for place, row in enumerate(rows):
        if errors[place] is not None:
            continue
        entry = entry_of(row, text)
        errors[place] = _why_late(entry)
        if errors[place] is not None:
            continue
        try:
            entries.append(fitted(channel.payloads, full_name, entry))
            places.append(place)
        except SQSError as exc:
            errors[place] = str(exc)
    if not entries:
        return errors
    requests: Requests = channel.requests
    name = f"send {rows[0].pk} and {len(rows)} failed messages to {full_name}"
    sent = ask(name, lambda: send_list(requests, full_name, entries))
    for place, error in zip(places, sent.errors, strict=True):
        errors[place] = None if error is None else str(error)
    return errors


def _why_late(entry: Mapping[str, Any]) -> str | None:
    """Why a message would be deleted unrun; None: it has not expired."""
    trail = Trail.of(entry.get("MessageAttributes"))
    if trail.expires is None or not has_expired(trail):
        return None
    with of_the_site():
        says = gettext("It expired at %(time)s: no receiver would start with it.")
    return says % {"time": MessageExpired(trail.expires).when}


def _not_kept() -> str:
    """Why a message without a body is not sent; it is kept with the row."""
    with of_the_site():
        return gettext("Its body was not kept.")


def _settle(rows: Sequence[Failure], errors: Sequence[str | None], decided: Decided) -> None:
    using = router.db_for_write(Failure)
    sent = [row for row, error in zip(rows, errors, strict=True) if error is None]
    with transaction.atomic(using=using):
        own = Failure.objects.using(using)
        own.filter(pk__in=[row.pk for row in sent]).update(state=State.SENT)
        for row, error in zip(rows, errors, strict=True):
            if error is not None:
                own.filter(pk=row.pk).update(state=State.WAITING, note=error[:500])
        _uncount(using, sent)
    decided.done += len(sent)
    decided.groups |= {row.group_id for row in sent}
    decided.refused += len(rows) - len(sent)
    decided.why = next((error for error in errors if error is not None), decided.why)


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
        # Another for each time that it is sent, and the same should a request be repeated.
        stamp = row.changed_at or timezone.now()
        entry["MessageDeduplicationId"] = f"{row.pk}-{stamp.timestamp():.6f}"
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
