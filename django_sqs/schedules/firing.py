"""Firing: a slot is sent once, whichever worker is the first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from django.db import IntegrityError, router, transaction
from django.db.models import Max, QuerySet

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.working import ON_TIME, UTC, Schedule

from ..clocks import common_time
from ..registered_queue import DjangoQueue
from ..registry import receivers
from ..tasks.schedules import task_schedules
from .models import KnownSchedule, Slot

logger = get_logger(__name__)

#: How long it is remembered which slots were sent; the last of each schedule for ever, so many:
#: what a host whose clock is ahead takes for the last may be none of them.
KEPT, LAST = timedelta(days=40), 10
#: How far ahead a clock must have been for what it sent not to count.
EARLY = timedelta(hours=1)
#: Slots that one log record names.
SHOWN = 5


class Scheduled(Protocol):
    """What is sent at the times of a schedule: to a queue, or a task."""

    @property
    def name(self) -> str:
        """Its name; no other schedule has it."""

    def write_slot(self, slot: datetime, using: str) -> None:
        """Write the message of a slot into the outbox, in a transaction of the database *using*."""


def scheduled() -> list[tuple[Scheduled, Schedule]]:
    """The queues that are registered with a schedule, and the tasks that have one."""
    found: list[tuple[Scheduled, Schedule]] = []
    for queue in receivers.select():
        schedule = getattr(queue, "schedule", None)
        if schedule is not None and isinstance(queue, DjangoQueue):
            found.append((queue, schedule))
    return [*found, *((each, each.schedule) for each in task_schedules.values())]


def seconds(moment: datetime) -> int:
    """A time as it is in the tables."""
    return int(moment.timestamp())


def database() -> str:
    """The alias of the database that slots are written to, and their messages with them."""
    return router.db_for_write(Slot)


def know(now: datetime) -> None:
    """Note the schedules that are new: their first slot is the next one.

    A pause is one of the queue's, whatever its schedule becomes.  A time that is to come was
    written by a host whose clock is ahead, and is put back to *now*: it would hold up all others.
    """
    known = KnownSchedule.objects.using(database())
    for queue, schedule in scheduled():
        paused = known.filter(name=queue.name, paused=True).exists()
        known.get_or_create(
            name=queue.name,
            definition=schedule.definition,
            defaults={"since": seconds(now), "paused": paused},
        )
        ahead = known.filter(name=queue.name, definition=schedule.definition)
        ahead.filter(since__gt=seconds(now)).update(since=seconds(now))


def is_known(queue: Scheduled, schedule: Schedule, now: datetime) -> bool:
    """Whether its row is there, and is not one that :func:`know` would write."""
    rows = KnownSchedule.objects.using(database()).filter(name=queue.name)
    return rows.filter(definition=schedule.definition, since__lte=seconds(now)).exists()


def fire(queue: Scheduled, schedule: Schedule, slot: datetime, now: datetime) -> bool:
    """Send a slot's message unless another has, or it is not to be; return whether this did.

    The row that says so, of which there can be one, and the message, in the outbox, are written
    in one transaction: whoever dies, both are there or neither is.
    """
    if now - slot > max(schedule.catch_up, ON_TIME):
        return False
    using = database()
    known = KnownSchedule.objects.using(using).filter(
        name=queue.name, definition=schedule.definition, since__lt=seconds(slot), paused=False
    )
    sent = Slot.objects.using(using).filter(name=queue.name, slot=seconds(slot))
    if not known.exists() or sent.exists():
        return False
    try:
        with transaction.atomic(using=using):
            Slot.objects.using(using).create(name=queue.name, slot=seconds(slot))
            queue.write_slot(slot, using)
    except IntegrityError:
        # Another was the first.
        if sent.exists():
            return False
        raise
    logger.info("Slot %s of %s is sent", slot.isoformat(), queue.name)
    return True


def pause(name: str) -> None:
    """Send no slot of a queue."""
    KnownSchedule.objects.using(database()).filter(name=name).update(paused=True)


def resume(name: str, now: datetime) -> None:
    """Send the slots of a queue again, from the next one on: a pause is not caught up with."""
    paused = KnownSchedule.objects.using(database()).filter(name=name, paused=True)
    paused.update(paused=False, since=seconds(now))


def last_slots(names: Iterable[str]) -> dict[str, datetime]:
    """The last slot that was sent of each, in one query."""
    slots = Slot.objects.using(database()).filter(name__in=list(names)).order_by()
    found = slots.values_list("name").annotate(Max("slot"))
    return {name: datetime.fromtimestamp(slot, UTC) for name, slot in found}


def disown(now: datetime) -> None:
    """Delete the rows of slots that are long to come: clocks were ahead that sent them.

    Else they would not be sent when their times come.
    """
    using = database()
    names = [queue.name for queue, _ in scheduled()]

    def to_come(moment: datetime) -> QuerySet[Slot]:
        rows = Slot.objects.using(using).filter(name__in=names)
        return rows.filter(slot__gt=seconds(moment + EARLY))

    # It may be this host's clock that is behind.
    if not to_come(now).exists() or not (
        rows := list(to_come(max(now, common_time(using, now))).order_by("slot"))
    ):
        return
    Slot.objects.using(using).filter(pk__in=[row.pk for row in rows]).delete()
    told = ", ".join(f"{row.time.isoformat()} of {row.name}" for row in rows[:SHOWN])
    logger.warning(
        "A host whose clock was ahead sent %d slot(s) that are still to come, and are sent again "
        "when they do: %s",
        len(rows),
        told,
    )


def forget(now: datetime) -> None:
    """Delete the rows of slots that are long over."""
    using = database()
    # It may be this host's clock that is ahead.
    now = min(now, common_time(using, now))
    for queue, schedule in scheduled():
        rows = Slot.objects.using(using).filter(name=queue.name)
        last = list(rows.order_by("-slot").values_list("slot", flat=True)[:LAST])
        if last:
            old = seconds(now - max(KEPT, 2 * schedule.catch_up))
            rows.filter(slot__lt=min(old, last[-1])).delete()
