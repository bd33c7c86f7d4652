"""SlotTicker: sends slots without a database, each once by the deduplication of FIFO queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol

from ..exceptions import SQSError
from ..logs import get_logger
from ..new_threads import start_thread
from .schedule import ON_TIME, Schedule
from .ticking import Ticking

logger = get_logger(__name__)

#: How long SQS remembers a deduplication id, from the first message that it accepted with it.
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
REMEMBERED = timedelta(minutes=5)
#: How late a slot may be sent at most: hosts' clocks may differ, and a request takes its time, by a
#: minute together, before SQS has forgotten the first.
LONGEST_CATCH_UP = timedelta(minutes=4)
#: Seconds that the thread may take to end.
PATIENCE = 5.0


class Scheduled(Protocol):
    """What is sent at the times of a schedule."""

    @property
    def name(self) -> str:
        """Its name; no other schedule has it."""

    @property
    def schedule(self) -> Schedule | None:
        """When it is sent; None: never."""

    @property
    def sends_slots(self) -> bool:
        """Whether SQS is to see to it that each slot is sent once."""

    def send_slot(self, slot: datetime) -> None:
        """Send the message of a slot under a deduplication id that is the slot's alone."""


class SlotTicker(Ticking):
    """Sends each slot to its FIFO queue; every process does, and SQS keeps the first.

    It remembers nothing: only slots that come after it was made are sent.

    :param scheduled: what is to be sent, asked at each tick.
    """

    def __init__(self, scheduled: Callable[[], Iterable[Scheduled]]) -> None:
        super().__init__()
        self._scheduled = scheduled
        self._since = self.clock()
        #: The last slot of each that SQS has accepted.
        self._sent: dict[str, datetime] = {}

    def schedules(self) -> Sequence[Schedule]:
        """The schedules of what is to be sent."""
        return [each.schedule for each in self._scheduled() if each.schedule is not None]

    def tick(self, now: datetime) -> bool:
        """Send what is due; return whether nothing failed."""
        # A clock that was ahead when this began must not hold up what comes.
        self._since = min(self._since, now)
        fine = True
        for each in self._scheduled():
            try:
                self._send(each)
            except SQSError as exc:
                logger.warning("A slot of %s could not be sent yet: %s", each.name, exc)
                fine = False
            except (Exception, SystemExit):
                # Also what a message class calls may exit.
                logger.exception("A slot of %s is not sent", each.name)
                fine = False
        return fine

    def _send(self, each: Scheduled) -> None:
        # Looked at anew for each: the sends before it may have taken long.
        now = self.clock()
        slot = each.schedule and each.schedule.latest(now)
        if not slot or slot <= self._since or self._is_sent(each.name, slot, now):
            return
        if now - slot > lateness(each.schedule):
            logger.error(
                "Slot %s of %s is skipped: it could not be sent within %s",
                slot.isoformat(),
                each.name,
                lateness(each.schedule),
            )
        else:
            each.send_slot(slot)
        self._sent[each.name] = slot

    def _is_sent(self, name: str, slot: datetime, now: datetime) -> bool:
        # A clock that is put back must not send again what SQS may have forgotten; one that was
        # far ahead must not hold up what comes.
        sent = self._sent.get(name)
        return sent is not None and slot <= sent <= now + REMEMBERED


def lateness(schedule: Schedule | None) -> timedelta:
    """How late a slot may be sent that SQS deduplicates."""
    catch_up = ON_TIME if schedule is None else max(schedule.catch_up, ON_TIME)
    return min(catch_up, LONGEST_CATCH_UP)


def ticker_of(select: Callable[[], Iterable[Scheduled]]) -> SlotTicker | None:
    """What sends the slots of those that SQS deduplicates; None: there is none of them."""

    def scheduled() -> list[Scheduled]:
        return [each for each in select() if each.schedule is not None and each.sends_slots]

    return SlotTicker(scheduled) if scheduled() else None


@contextmanager
def ticking(select: Callable[[], Iterable[Scheduled]]) -> Iterator[None]:
    """Send slots meanwhile, in a thread, where there are any."""
    ticker = ticker_of(select)
    if ticker is None:
        yield
        return
    thread = threading.Thread(target=ticker.run, name="sqs-schedules", daemon=True)
    try:
        start_thread(thread)
    except RuntimeError as exc:
        logger.error(
            "No thread could be started for schedules; this process sends none of their slots: %s",
            exc,
        )
    try:
        yield
    finally:
        ticker.end()
        if thread.ident is not None:
            thread.join(PATIENCE)
