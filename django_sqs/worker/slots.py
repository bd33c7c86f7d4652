"""Slots of schedules, sent beside the receivers where there is no database for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django_sqs_kombu.registration import Receivers
from django_sqs_kombu.working import Scheduled, ticker_of

from .companions import Beside, InThread, beside_workers


def announce(receivers: Receivers, more: Callable[[], Iterable[Scheduled]]) -> None:
    """Let one process of each runreceiver send the slots of *receivers*, and of *more*."""

    def slots_beside(beside: Beside) -> InThread | None:
        ticker = ticker_of(lambda: [*receivers.select(), *more()])
        if ticker is None:
            return None
        return InThread(ticker.run, ticker.end, "sqs-schedules", beside.turn)

    beside_workers.announce("django_sqs", slots_beside, "slots")
