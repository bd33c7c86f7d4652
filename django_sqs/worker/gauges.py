"""Asker: the metrics of optional apps, which may hang where their database does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread

from ..optional import Gauge, metrics

logger = get_logger(__name__)

#: Seconds that an answer to /metrics waits for them all.  Prometheus waits for 10, and is to have
#: the worker's own figures above all when a database hangs.
PATIENCE = 3.0

Offer = Callable[[], Iterable[Gauge]]


class Asker:
    """Asks each app in a thread, one at a time; what does not answer in time is left out.

    So a database that hangs costs one thread and one connection, however often somebody asks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: What was asked for and has not come.
        self._asked: dict[Offer, _Question] = {}

    def gauges(self) -> Iterator[Gauge]:
        """The metrics that come in time."""
        ends_at = time.monotonic() + PATIENCE
        asked = [self._ask(offer) for offer in metrics.all()]
        for question in asked:
            if not question.answered.wait(max(0.0, ends_at - time.monotonic())):
                logger.warning(
                    "Some metrics are left out: %s has not answered for %.0f s",
                    question.name,
                    time.monotonic() - question.asked_at,
                )
            yield from question.answer

    def _ask(self, offer: Offer) -> _Question:
        with self._lock:
            if (question := self._asked.get(offer)) is None:
                question = self._asked[offer] = _Question(offer)
                try:
                    start_thread(
                        threading.Thread(
                            target=self._answer,
                            args=(offer, question),
                            name="sqs-metrics",
                            daemon=True,
                        )
                    )
                except RuntimeError as exc:
                    logger.warning("Some metrics are left out: %s", exc)
                    del self._asked[offer]
                    question.answered.set()
            return question

    def _answer(self, offer: Offer, question: _Question) -> None:
        try:
            question.answer = list(offer())
        except Exception:
            logger.exception("Some metrics could not be computed")
        finally:
            with self._lock:
                del self._asked[offer]
            question.answered.set()


class _Question:
    """A question to an app, which threads may wait for the answer to."""

    def __init__(self, offer: Offer) -> None:
        self.name = offer.__module__
        self.asked_at = time.monotonic()
        self.answered = threading.Event()
        self.answer: list[Gauge] = []
