"""System check: the mask that a project's own FailuresConfig names, with the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register

from django_sqs_kombu.rules import shown

from ..named import mask_or_path

MASK = "django_sqs.E010"


@register("django_sqs")
def check_mask(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """It can be called as it will be: otherwise nothing is shown of any body."""
    config = type(apps.get_app_config("django_sqs_failures"))
    mask: Any = getattr(config, "mask", None)
    wrong = None if mask is None else mask_or_path(mask)
    if wrong is None:
        return []
    return [
        Error(
            f"{config.__module__}.{config.__qualname__}: mask {wrong}, not {shown(mask)}.",
            hint="Write it as a function of its own, or in the class without self: "
            "def mask(queue, text).",
            obj=f"{config.__module__}.{config.__qualname__}",
            id=MASK,
        )
    ]
