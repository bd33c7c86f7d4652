"""Receiving beside ``manage.py runserver``, where SQS_RUN_WITH_RUNSERVER says so."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.utils.autoreload import file_changed

from ..conf import conf
from .site_receiver import SiteReceiver

#: Seconds that one poll waits, so that it need not be broken off when the server starts again:
#: such a poll may take a message with it, and hide it for its visibility timeout.
POLL_PERIOD = 1
#: Seconds that receivers may take at most when the server is ended, or starts again.
GRACE_PERIOD = 4.0
#: The same when Ctrl-C ends Django's autoreloader, which kills the server 0.25 s later.
QUICK = 0.05
#: A change of so many seconds ago is why the server ends; an earlier one was of a template.
JUST_NOW = 2.0
#: Receivers at once.
THREADS = 4


def receive_with_runserver(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Receive in this process if it is runserver's that answers requests, and is to.

    :param arguments: the process's own, its name included.
    :param environment: its environment, where Django's autoreloader says which process it is.
    """
    wanted = settings.DEBUG and conf.value("SQS_RUN_WITH_RUNSERVER")
    if not (wanted and is_server(arguments, environment)):
        return
    changed_at = -JUST_NOW

    def note(**kwargs: Any) -> None:
        nonlocal changed_at
        changed_at = time.monotonic()

    file_changed.connect(note, weak=False)

    def grace_period() -> float:
        starts_again = time.monotonic() < changed_at + JUST_NOW
        if environment.get("RUN_MAIN") == "true" and not starts_again:
            return QUICK
        return min(GRACE_PERIOD, conf.grace_period)

    SiteReceiver(threads=THREADS, grace_period=grace_period, poll_period=POLL_PERIOD).start()


def is_server(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether this process is runserver's, and not the one that only watches the files."""
    if list(arguments[1:2]) != ["runserver"]:
        return False
    return environment.get("RUN_MAIN") == "true" or "--noreload" in arguments
