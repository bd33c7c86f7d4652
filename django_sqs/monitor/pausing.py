"""What the pages say of a pause."""

from __future__ import annotations

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext

from django_sqs_kombu.transport import Pause


def describe(pause: Pause) -> str:
    """Since when it is, until when, and why, such as "since 2026-01-31 12:00, maintenance"."""
    parts = []
    if pause.since is not None:
        parts.append(gettext("since %(time)s") % {"time": _written(pause.since)})
    if pause.until is not None:
        parts.append(gettext("until %(time)s") % {"time": _written(pause.until)})
    if pause.reason:
        parts.append(pause.reason)
    return ", ".join(parts) or gettext("paused")


def _written(time: datetime) -> str:
    return date_format(localtime(time), "Y-m-d H:i")
