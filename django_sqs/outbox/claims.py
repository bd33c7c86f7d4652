"""Claims: which rows a relay sends, written into the rows before anything is sent.

A claim is a lease in the row itself, taken by one short conditional UPDATE: no lock and no
transaction is held while SQS is asked, on any database.  Nothing is written where nothing waits.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import BinaryField, Exists, F, Func, OuterRef, Q, QuerySet
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.utils import timezone

from django_sqs_kombu.names import FIFO

from ..clocks import after, bring_forward
from ..conf import conf
from ..optional import tickets
from .models import OutboxMessage

#: The most rows of a claim, and the most characters of their bodies, which are held in memory;
#: a single row may be longer.
ROWS, CHARACTERS = 100, 8 * 1024 * 1024
#: Rows that a person has changed in one statement.
CHANGED = 500
#: How long a claim lasts.  Another relay takes the rows of one that died when it is over: not
#: before, since one may seem to have died that goes on sending, elsewhere (a cloned or migrated
#: machine, another container's process ids); and not much later than its last request may end.
LEASE = timedelta(seconds=120)
#: The longest pause before a row is tried again.
LONGEST_PAUSE = timedelta(seconds=300)
#: Seconds in which a claim's requests may begin: the last of them, tried a few times, then ends
#: before the claim does.
SENDING = 50.0
#: Characters of an error that a row keeps.
ERROR = 1_000


class OutboxQueue(NamedTuple):
    """A queue that rows wait for, in one database.

    :param database: the alias.
    :param queue_name: as it was registered.
    :param suffix: empty where there is none.
    """

    database: str
    queue_name: str
    suffix: str

    def __str__(self) -> str:
        return f"{self.queue_name}{self.suffix and f' ({self.suffix})'}"

    @property
    def is_fifo(self) -> bool:
        """Whether its message groups keep their order."""
        return self.queue_name.endswith(FIFO)

    @property
    def rows(self) -> QuerySet[OutboxMessage]:
        """All its rows."""
        rows = _rows(self.database).filter(queue_name=self.queue_name, suffix=self.suffix)
        if not _ignores_case(self.database):
            return rows
        # Those too, which find an index, and then the very names.
        return rows.filter(
            Exact(_bytes_of(F("queue_name")), self.queue_name.encode()),
            Exact(_bytes_of(F("suffix")), self.suffix.encode()),
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that this process sends, and nobody else meanwhile.

    :param queue: whose rows they are.
    :param token: is in the rows, and in no others.
    :param rows: the oldest first.
    :param send_until: when the last request has to begin, on the monotonic clock.
    """

    queue: OutboxQueue
    token: uuid.UUID
    rows: list[OutboxMessage]
    send_until: float


def waiting_queues(database: str) -> list[OutboxQueue]:
    """The queues with rows that have not failed."""
    found = _rows(database).filter(failed_at=None)
    if not _ignores_case(database):
        keys = found.order_by("queue_name", "suffix").values_list("queue_name", "suffix")
        return [OutboxQueue(database, *key) for key in keys.distinct()]
    exact = found.annotate(name=_bytes_of(F("queue_name")), of_suffix=_bytes_of(F("suffix")))
    pairs = exact.order_by("name", "of_suffix").values_list("name", "of_suffix").distinct()
    return [OutboxQueue(database, bytes(n).decode(), bytes(s).decode()) for n, s in pairs]


def claim(
    queue: OutboxQueue, most: int = ROWS, in_doubt: list[Claim] | None = None
) -> Claim | None:
    """Claim the oldest rows of *queue* that may be sent now; None where there are none.

    Of a FIFO queue's group nothing is claimed while an older row of it is claimed elsewhere or
    has to wait.

    :param most: how many at most.
    :param in_doubt: gets the claim if the database fails while it is written, or after that:
        nobody would have its rows before it is over.
    """
    began, now = time.monotonic(), timezone.now()
    keys = _candidates(queue, now, most)
    if not keys:
        return None
    token = uuid.uuid4()
    try:
        rows = _take(queue, keys, token, now)
    except BaseException:
        if in_doubt is not None:
            in_doubt.append(Claim(queue, token, [OutboxMessage(pk=key) for key in keys], began))
        raise
    return Claim(queue, token, rows, began + SENDING) if rows else None


def believe_no_wrong_clocks(queue: OutboxQueue) -> None:
    """Shorten claims and pauses of *queue* that a host wrote whose clock was far ahead."""
    rows = queue.rows.filter(failed_at=None)
    bring_forward(rows, "claimed_until", LEASE)
    bring_forward(rows, "try_after", LONGEST_PAUSE)


def release(claimed: Claim) -> None:
    """Let others have what is left of a claim."""
    _mine(claimed, claimed.rows).update(claimed_by=None, claimed_until=None)


def delete(claimed: Claim, rows: Collection[OutboxMessage]) -> None:
    """Delete *rows* that SQS has accepted."""
    # Also where the claim was over in the end: whoever has them now need not send them again.
    if rows:
        claimed.queue.rows.filter(pk__in=[row.pk for row in rows]).delete()


def postpone(
    claimed: Claim, row: OutboxMessage, error: str, pause: float, *, refused: bool
) -> None:
    """Try *row* again after *pause* seconds.

    :param refused: whether it failed for its own sake.
    """
    _mine(claimed, [row]).update(
        tries=F("tries") + 1,
        refusals=F("refusals") + int(refused),
        try_after=timezone.now() + timedelta(seconds=pause),
        error=error[:ERROR],
        claimed_by=None,
        claimed_until=None,
    )


def fail(claimed: Claim, row: OutboxMessage, error: str, *, in_doubt: bool) -> None:
    """Try *row* no more.

    :param in_doubt: whether SQS may have it all the same: then it keeps its key.
    """
    with transaction.atomic(using=claimed.queue.database):
        if (
            _mine(claimed, [row]).update(
                tries=F("tries") + 1,
                refusals=F("refusals") + 1,
                failed_at=timezone.now(),
                error=error[:ERROR],
                claimed_by=None,
                claimed_until=None,
            )
            and not in_doubt
        ):
            free_keys([row.uid], claimed.queue.database)


def explain(claimed: Claim, error: str) -> None:
    """Release what is left of a claim; its rows tell why their queue cannot be sent to."""
    _mine(claimed, claimed.rows).update(error=error[:ERROR], claimed_by=None, claimed_until=None)


def send_again(rows: QuerySet[OutboxMessage]) -> Iterator[list[OutboxMessage]]:
    """Let those of *rows* that have failed or wait for their next try be sent now.

    Yields them without their bodies, some at a time, each time when that is committed.
    """
    which = Q(failed_at__isnull=False) | Q(try_after__isnull=False)
    changes = {"failed_at": None, "try_after": None, "refusals": 0, "error": ""}
    return _change(rows, which, changes)


def withdraw(message_id: str, database: str) -> None:
    """Delete the row of a message, unless it is being sent now."""
    now = timezone.now()
    _rows(database).filter(_unclaimed(now), uid=message_id).delete()


def set_aside(rows: QuerySet[OutboxMessage], why: str) -> Iterator[list[OutboxMessage]]:
    """Skip *rows* as such that have failed, but for those that are being sent now.

    Yields them as :func:`send_again` does.
    """
    now = timezone.now()
    changes = {"failed_at": now, "error": why[:ERROR], "claimed_by": None, "claimed_until": None}
    return _change(rows, _free(now), changes, free_keys)


def _change(
    rows: QuerySet[OutboxMessage],
    which: Q,
    changes: Mapping[str, Any],
    then: Callable[[Sequence[uuid.UUID], str], None] | None = None,
) -> Iterator[list[OutboxMessage]]:
    """Change *which* of *rows*, in statements about many: there may be any number."""
    database = rows.db
    keys = list(rows.filter(which).order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(keys), CHANGED):
        some = _rows(database).filter(pk__in=keys[start : start + CHANGED])
        with transaction.atomic(using=database):
            # Before it is read which these are: on SQLite, what reads first may not write.
            if not some.filter(which).update(**changes):
                continue
            done = list(some.filter(**changes).only("uid", "queue_name"))
            if then is not None:
                then([row.uid for row in done], database)
        yield done


def unclaimed(rows: QuerySet[OutboxMessage]) -> list[uuid.UUID]:
    """The ids of those of *rows* that are not being sent now."""
    found = rows.filter(_free(timezone.now()) | Q(failed_at__isnull=False))
    return list(found.values_list("uid", flat=True))


def free_keys(uids: Sequence[uuid.UUID], database: str) -> None:
    """Give back the keys of ``unique=`` that messages have which are not sent now.

    They are in the same database, or are none of the outbox's.
    """
    for store in tickets.all():
        if getattr(store, "database", None) == database:
            for start in range(0, len(uids), ROWS):
                store.free_all([str(uid) for uid in uids[start : start + ROWS]])


def _ignores_case(database: str) -> bool:
    """Whether names that differ by case alone, and so are two queues of SQS's, are equal there."""
    return bool(connections[database].vendor == "mysql")


def _bytes_of(text: F) -> Func:
    return Func(text, template="CAST(%(expressions)s AS BINARY)", output_field=BinaryField())


def _rows(database: str) -> QuerySet[OutboxMessage]:
    return OutboxMessage._base_manager.using(database)


def _mine(claimed: Claim, rows: Iterable[OutboxMessage]) -> QuerySet[OutboxMessage]:
    return claimed.queue.rows.filter(claimed_by=claimed.token, pk__in=[row.pk for row in rows])


def _free(now: datetime) -> Q:
    return Q(failed_at=None) & _unclaimed(now)


def _unclaimed(now: datetime) -> Q:
    return Q(claimed_until=None) | Q(claimed_until__lte=now)


def _due(now: datetime) -> Q:
    return Q(try_after=None) | Q(try_after__lte=now)


def _candidates(queue: OutboxQueue, now: datetime, most: int) -> list[int]:
    found = queue.rows.filter(_free(now)).filter(_due(now)).order_by("pk")
    if queue.is_fifo:
        held = Q(failed_at=None) & (Q(claimed_until__gt=now) | Q(try_after__gt=now))
        found = found.exclude(_older(queue, held))
    total = 0

    def fits(row: tuple[int, int]) -> bool:
        nonlocal total
        total += row[1]
        return total <= CHARACTERS or total == row[1]

    return [key for key, _ in takewhile(fits, found.values_list("pk", Length("body"))[:most])]


def _take(
    queue: OutboxQueue, keys: list[int], token: uuid.UUID, now: datetime
) -> list[OutboxMessage]:
    if not _write(queue, keys, token, now):
        return []
    mine = queue.rows.filter(pk__in=keys, claimed_by=token)
    if queue.is_fifo:
        _give_back_what_overtakes(queue, mine, token)
    return list(mine.order_by("pk"))


def _write(queue: OutboxQueue, keys: list[int], token: uuid.UUID, now: datetime) -> int:
    """Write a claim into those rows that are free; return how many."""
    # Of two relays that chose the same rows each gets those that its UPDATE finds free.
    free = queue.rows.filter(pk__in=keys).filter(_free(now))
    values = {"claimed_by": token, "claimed_until": after(now, LEASE)}
    if not skips_locked(connections[queue.database]):
        return free.update(**values)
    with transaction.atomic(using=queue.database):
        # To wait for a row that somebody else's transaction has locked would hold up all queues.
        unlocked = list(free.select_for_update(skip_locked=True).values_list("pk", flat=True))
        return queue.rows.filter(pk__in=unlocked).update(**values) if unlocked else 0


def skips_locked(connection: Any) -> bool:
    """Whether a statement there can leave out the rows that others have locked.

    PostgreSQL would wait for them until they are released, MySQL and MariaDB for a minute
    (innodb_lock_wait_timeout).  At REPEATABLE READ these look at other rows, too, when they
    write, so that to leave out those that are locked would not be enough.
    """
    if connection.vendor == "mysql" and (
        getattr(connection, "isolation_level", None) != "read committed"
    ):
        return False
    return bool(connection.features.has_select_for_update_skip_locked)


def _give_back_what_overtakes(
    queue: OutboxQueue, mine: QuerySet[OutboxMessage], token: uuid.UUID
) -> None:
    """Release rows of groups of which another relay claimed an older row a moment ago."""
    others = Q(failed_at=None) & (Q(claimed_by=None) | ~Q(claimed_by=token))
    found = mine.filter(_older(queue, others)).values_list("pk", flat=True)
    if overtaking := list(found):
        mine.filter(pk__in=overtaking).update(claimed_by=None, claimed_until=None)


def _older(queue: OutboxQueue, condition: Q) -> Q:
    """Rows with an older one of their group that *condition* is true of, or that keeps it back."""
    if conf.outbox_group_waits:
        condition |= Q(failed_at__isnull=False)
    older = queue.rows.filter(condition, group_id=OuterRef("group_id"), pk__lt=OuterRef("pk"))
    if _ignores_case(queue.database):
        own, outer = _bytes_of(F("group_id")), _bytes_of(OuterRef("group_id"))
        older = older.filter(Exact(own, outer))
    return Q(Exists(older))
