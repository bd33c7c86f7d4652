"""System check: an optional app without the app that it belongs to, with the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register

OWN = "django_sqs"
ALONE = "django_sqs.E009"


@register(OWN)
def check_apps(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The app that finds receivers and has the commands is installed, too."""
    if apps.is_installed(OWN):
        return []
    return [
        Error(
            f"{each.name!r} is in INSTALLED_APPS, but {OWN!r} is not: no receivers are found, and "
            "commands such as runreceiver are missing.",
            hint=f"Add {OWN!r} to INSTALLED_APPS.",
            obj=each.name,
            id=ALONE,
        )
        for each in apps.get_app_configs()
        if each.name.startswith(f"{OWN}.")
    ]
