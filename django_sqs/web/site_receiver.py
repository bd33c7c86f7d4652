"""SiteReceiver: receives in threads of a process that serves the site."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_finished
from django.db import connections

from django_sqs_kombu.exceptions import ConfigurationError, NoReceiver, UnknownQueue
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread, without_fail
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.rules import check_consumer
from django_sqs_kombu.working import taking_all

from ..conf import conf
from ..problems import require_valid
from ..registry import receivers
from ..worker.chosen import chosen_here
from ..worker.companions import Beside, Companion, Turn, beside_sites, beside_workers, running
from ..worker.migrations import wait_for_migrations
from .site_consumer import SiteConsumer

logger = get_logger(__name__)

#: Seconds for which the first request is waited for before the first poll.
FIRST_REQUEST = 5.0
#: Seconds between two looks whether the site is still served; the main thread's end is seen at
#: once.
LOOK = 0.2
#: Seconds before what receives is started again after it has failed: at first, and at most.
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
#: Seconds beyond the grace period that a stop may take: to give back what still runs.
MARGIN = 3.0
#: Seconds that Django's apps may take to be ready.
APPS = 60.0


class _Stopped(Exception):
    """It was told to stop while it waited."""


class SiteReceiver:
    """Receives in threads of a process that serves the site; no signal is touched.

    Nothing is polled before the site has answered its first request, or 5 s have passed, and all
    migrations are applied.  What fails is logged and tried again, and never harms the site.  It
    stops when it is told to, or when the main thread has ended.

    :param queues: names of registered queues; none: all that have a receiver.
    :param suffix: the queue name suffix to use.
    :param threads: how many receivers run at once.
    :param grace_period: returns, at a stop, the seconds that running receivers may take; then
        their messages are given back.  None: SQS_GRACE_PERIOD.
    :param poll_period: seconds that one poll waits at most; None: as the settings say.
    :param serving: whether the site is still served; asked all the time.
    """

    #: The one that receives in the process of this id.
    _active: tuple[int, SiteReceiver] | None = None

    def __init__(
        self,
        queues: Iterable[str] = (),
        *,
        suffix: str | None = None,
        threads: int = 1,
        grace_period: Callable[[], float] | None = None,
        poll_period: int | None = None,
        serving: Callable[[], bool] | None = None,
    ) -> None:
        self._names = [queues] if isinstance(queues, str) else list(queues)
        self._suffix = suffix
        self._threads = threads
        self._grace_period = grace_period or (lambda: conf.grace_period)
        self._grace = 0.0
        self._poll_period = poll_period
        self._serving = serving or threading.main_thread().is_alive
        self._consumer: SiteConsumer | None = None
        self._lock = threading.Lock()
        #: Set at the first request, or at a stop.
        self._begin = threading.Event()
        self._stopping = threading.Event()
        #: Set when nothing is held any more.
        self._over = threading.Event()

    def start(self) -> bool:
        """Start, and return at once; False: it did not, for a reason in the log."""
        active = SiteReceiver._active
        if active is not None and active[0] == os.getpid() and not active[1]._over.is_set():
            logger.warning("This process is receiving already; the second start is ignored")
            return False
        try:
            # Not a daemon: the process is not to end before what it holds is given back.
            start_thread(threading.Thread(target=self._watch, name="sqs-site-watch", daemon=False))
        except RuntimeError as exc:
            logger.error("This process receives nothing: %s", exc)
            return False
        SiteReceiver._active = os.getpid(), self
        return True

    def stop(self) -> None:
        """Stop, and return when nothing is held any more: a little after the grace period at most.

        Receivers may finish until then; what still runs or waits is given back.  A process that
        was forked after the start has nothing to stop.
        """
        if SiteReceiver._active is None or SiteReceiver._active != (os.getpid(), self):
            return
        self.begin_to_stop()
        if not self._over.wait(self._grace + MARGIN):
            self._give_back()

    def begin_to_stop(self) -> None:
        """Stop, and return at once; from any thread."""
        with self._lock:
            if self._stopping.is_set():
                return
            # First, and whatever the grace period says: a wrong one is told where it receives.
            self._stopping.set()
            with suppress(Exception):
                self._grace = self._checked_grace_period()
            consumer = self._consumer
        self._begin.set()
        if consumer is not None:
            consumer.grace_period = self._grace
            consumer.stop()

    def _checked_grace_period(self) -> float:
        seconds = self._grace_period()
        check_consumer(1, grace_period=seconds)
        return seconds

    def _give_back(self) -> None:
        # Where no thread could be started to watch over the stop: Python 3.12.1 starts none
        # once the main thread has ended.
        logger.error(
            "The stop took too long: the messages of receivers that are still running are given "
            "back"
        )
        if self._consumer is not None:
            self._consumer.on_grace_expired()

    def _watch(self) -> None:
        request_finished.connect(self._on_request, weak=False, dispatch_uid=id(self))
        try:
            receiving = threading.Thread(target=self._receive, name="sqs-site", daemon=True)
            starts_at = 0.0
            while self._serving() and not (self._stopping.is_set() or self._over.is_set()):
                if receiving.ident is None and time.monotonic() >= starts_at:
                    starts_at = time.monotonic() + FIRST_PAUSE
                    self._start(receiving)
                # Its end is seen at once: whoever ends the process may not wait for long.
                threading.main_thread().join(LOOK)
            if receiving.ident is None:
                self._over.set()
            self.stop()
        except Exception:
            logger.exception("This process receives nothing")
            self._over.set()
        finally:
            request_finished.disconnect(dispatch_uid=id(self))

    def _start(self, receiving: threading.Thread) -> None:
        try:
            start_thread(receiving)
        except RuntimeError as exc:
            logger.error("This process receives nothing yet, trying again: %s", exc)

    def _on_request(self, **kwargs: Any) -> None:
        self._begin.set()

    # In the thread that receives.

    def _receive(self) -> None:
        try:
            self._wait()
            self._receive_and_go_on()
        except _Stopped:
            pass
        except (ConfigurationError, ImproperlyConfigured, NoReceiver, UnknownQueue) as exc:
            logger.error("This process receives nothing: %s", exc)
        except BaseException:
            logger.exception("This process has stopped receiving after an error")
        finally:
            self._end()

    def _end(self) -> None:
        try:
            connections.close_all()
        except Exception as exc:  # noqa: BLE001 - whatever a driver says of what is broken
            logger.debug("A database connection could not be closed: %s", exc)
        finally:
            self._over.set()

    def _wait(self) -> None:
        self._begin.wait(FIRST_REQUEST)
        apps.ready_event.wait(APPS)
        self._go_on_unless_stopped()
        require_valid()
        if conf.migrations_patience:
            wait_for_migrations(conf.migrations_patience, self._go_on_unless_stopped)

    def _go_on_unless_stopped(self, reason: str | None = None) -> None:
        if self._stopping.is_set():
            raise _Stopped

    def _receive_and_go_on(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                self._consume()
            except (ConfigurationError, ImproperlyConfigured, NoReceiver, UnknownQueue):
                raise
            except BaseException:
                logger.exception("Receiving failed; trying again in %g s", pause)
            without_fail(partial(self._stopping.wait, pause))
            pause = min(LAST_PAUSE, pause * 2)

    def _consume(self) -> None:
        consumer = SiteConsumer(
            receivers,
            self._queues(),
            suffix=self._suffix,
            threads=self._threads,
            grace_period=self._grace_period(),
            given_back=self._over.set,
            poll_period=self._poll_period,
        )
        with self._lock:
            self._go_on_unless_stopped()
            self._consumer = consumer
        taking = taking_all(receivers, consumer.queues, chosen=self._names, but=conf.lambda_queues)
        with taking, running(self._companions(consumer)):
            consumer.run()

    def _queues(self) -> list[RegisteredQueue]:
        chosen = chosen_here(self._names)
        return chosen if self._names else [each for each in chosen if each.receiver]

    def _companions(self, consumer: SiteConsumer) -> Iterator[Callable[[], Companion | None]]:
        names = {queue.full_name(self._suffix): queue.name for queue in consumer.queues}
        beside = Beside(Turn(), names, consumer.wake, consumer.look_for_pauses)
        yield from (partial(make, beside) for make in beside_workers.all())
        yield from beside_sites.all()
