"""Attention: what is wrong, in words, before all figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext, ngettext

from .rows import QueueRow
from .workers import Workers


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that somebody should look at.

    :param about: what it is about, such as a queue's label.
    :param before: what stands before the link, such as "orders has ", and *after* what follows.
    :param link: the text of the link, with its count.
    :param kind: where that leads: ``dead``, ``failures``, ``messages``, ``queue``, ``running``
        or ``workers``.
    :param label: the queue that it leads to, if it leads to one.
    """

    about: str
    before: str
    link: str
    after: str
    kind: str
    label: str = ""


def concerns(
    rows: Sequence[QueueRow], workers: Workers, failures: Mapping[str, int]
) -> list[Concern]:
    """What is wrong with queues and workers.

    :param failures: how many failed messages of each registered queue wait for a decision.
    """
    stuck = Counter(each.queue for each in workers.messages if each.stuck)
    found: list[Concern] = []
    for row in rows:
        failed = failures.get(row.label, 0) if row.own else 0
        found += _of_queue(row, workers, stuck[row.label], failed)
    if workers.stale:
        count = len(workers.stale)
        died = ngettext("%(count)d worker", "%(count)d workers", count) % {"count": count}
        says = gettext("%(about)s gone without a word: %(link)s")
        found.append(_concern(died, says, gettext("see which"), "workers"))
    return found


def _of_queue(row: QueueRow, workers: Workers, stuck: int, failed: int) -> Iterator[Concern]:
    label, has = row.label, gettext("%(about)s has %(link)s")
    if row.error:
        yield _concern(label, "%(about)s: %(link)s", gettext("SQS cannot be asked"), "queue", label)
    if row.dead:
        link = ngettext("%(count)d dead letter", "%(count)d dead letters", row.dead)
        yield _concern(label, has, link % {"count": row.dead}, "dead", label)
    if failed > 0:
        link = ngettext("%(count)d failed message", "%(count)d failed messages", failed)
        yield _concern(label, has, link % {"count": failed}, "failures", label)
    waiting = row.counts.visible if row.counts else 0
    # Where no worker lives at all, the page says so.
    if waiting and workers.alive and row.own and row.receives and row.label not in workers.served:
        link = ngettext("%(count)d message", "%(count)d messages", waiting)
        says = gettext("%(about)s has no worker for %(link)s")
        yield _concern(label, says, link % {"count": waiting}, "messages", label)
    if stuck:
        link = ngettext("%(count)d receiver", "%(count)d receivers", stuck)
        says = gettext("%(about)s may be stuck in %(link)s")
        yield _concern(label, says, link % {"count": stuck}, "running", label)


def _concern(about: str, sentence: str, link: str, kind: str, label: str = "") -> Concern:
    """One whose *sentence* has ``%(about)s`` and ``%(link)s``, in any order."""
    before, _, after = (sentence % {"about": about, "link": "\0"}).partition("\0")
    return Concern(about, before, link, after, kind, label)
