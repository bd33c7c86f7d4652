"""System check: schedules whose names the database takes for the same, with the fix."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning
from django.db import connections

from .firing import database, scheduled

ALIKE = "django_sqs.W027"


@register("django_sqs")
def check_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """No schedule is taken for another: of two such, only one has its slots sent."""
    if connections[database()].vendor != "mysql":
        return []
    return [
        CheckWarning(
            f"Schedules {one!r} and {other!r} have the same name for MySQL and MariaDB, whose "
            "usual collations ignore case and accents: only one of them is sent.",
            hint="Give one of them another name.",
            obj=other,
            id=ALIKE,
        )
        for one, other in combinations(sorted(each.name for each, _ in scheduled()), 2)
        if _folded(one) == _folded(other)
    ]


def _folded(name: str) -> str:
    """*name* without what such collations ignore."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(each for each in letters if not unicodedata.combining(each)).rstrip()
