"""Receiving: hooks for gunicorn, with which its workers also receive messages."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .web.site_receiver import SiteReceiver

#: Seconds of gunicorn's graceful_timeout that are left for giving back what still runs.
MARGIN = 5.0
#: Workers whose threads are none.
_GREEN = ("eventlet", "gevent", "tornado")


class Receiving:
    """The hooks for a ``gunicorn.conf.py``; each worker receives in threads.

    For small sites.  At a stop running receivers may take SQS_GRACE_PERIOD, or what gunicorn's
    ``graceful_timeout`` leaves, if that is less.

    :param queues: names of registered queues; if empty, all that have a receiver.
    :param suffix: the queue name suffix to use.
    :param threads: how many receivers run at once in each worker.
    """

    def __init__(
        self, queues: Iterable[str] = (), *, suffix: str | None = None, threads: int = 1
    ) -> None:
        self._names = [queues] if isinstance(queues, str) else list(queues)
        self._suffix = suffix
        self._threads = threads
        self._site: SiteReceiver | None = None

    def post_worker_init(self, worker: Any) -> None:
        """Start receiving when the worker has loaded the application."""
        # Not above: gunicorn reads its configuration before there are settings of Django's.
        kind = str(worker.cfg.worker_class_str)
        if kind.startswith(_GREEN):
            logging.getLogger("django_sqs").error(
                "Nothing is received: gunicorn's %s workers have no real threads. Use sync or "
                "gthread, or run runreceiver",
                kind,
            )
            return
        try:
            from .conf import conf
            from .web.site_receiver import SiteReceiver

            left = max(0.0, worker.cfg.graceful_timeout - MARGIN)
            self._site = SiteReceiver(
                self._names,
                suffix=self._suffix,
                threads=self._threads,
                grace_period=lambda: min(conf.grace_period, left),
                serving=lambda: bool(worker.alive),
            )
            self._site.start()
        except Exception:
            # The worker serves all the same.
            logging.getLogger("django_sqs").exception("Nothing is received in this worker")

    def worker_exit(self, server: Any, worker: Any) -> None:
        """Stop when the worker ends; return when no message is held any more."""
        if self._site is not None:
            self._site.stop()
