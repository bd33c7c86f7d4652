"""Attention: what is wrong, in words, before all figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..counted import counted
from .rows import QueueRow
from .workers import Workers


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that somebody should look at.

    :param about: what it is about, such as a queue's label.
    :param says: what stands between that and the link, such as "has".
    :param link: the text of the link, with its count.
    :param kind: where that leads: ``dead``, ``failures``, ``messages``, ``queue``, ``running``
        or ``workers``.
    :param label: the queue that it leads to, if it leads to one.
    """

    about: str
    says: str
    link: str
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
        died = counted(len(workers.stale), "worker")
        found.append(Concern(died, "gone without a word:", "see which", "workers"))
    return found


def _of_queue(row: QueueRow, workers: Workers, stuck: int, failed: int) -> Iterator[Concern]:
    if row.error:
        yield Concern(row.label, "", "cannot be asked", "queue", row.label)
    if row.dead:
        yield Concern(row.label, "has", counted(row.dead, "dead letter"), "dead", row.label)
    if failed > 0:
        link = counted(failed, "failed message")
        yield Concern(row.label, "has", link, "failures", row.label)
    waiting = row.counts.visible if row.counts else 0
    # Where no worker lives at all, the page says so.
    if waiting and workers.alive and row.own and row.receives and row.label not in workers.served:
        link = counted(waiting, "message")
        yield Concern(row.label, "has no worker for", link, "messages", row.label)
    if stuck:
        link = counted(stuck, "receiver")
        yield Concern(row.label, "may be stuck in", link, "running", row.label)
