"""System check: apps whose tables are in the schema of each tenant, where no worker looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

FOR_TENANTS = "django_sqs.W029"
OURS = "django_sqs."
#: What a receiver alone asks, on its own connection, whose schema its middleware has chosen.
OF_RECEIVERS = "django_sqs.inbox"


@register("django_sqs")
def check_tenant_apps(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """With django-tenants, what workers look into is in the schema that they see."""
    if not apps.is_installed("django_tenants"):
        return []
    found = sorted({name for name in _tenant_apps() if _is_looked_into(name)})
    if not found:
        return []
    return [
        CheckWarning(
            f"{', '.join(found)}: each tenant has tables of its own, but workers look only into "
            "those of the public schema. What a tenant's outbox has is not sent, results of its "
            "tasks stay unfinished, its keys are not freed and messages that it cancelled run.",
            hint="List these apps in SHARED_APPS, and not in TENANT_APPS.",
            id=FOR_TENANTS,
        )
    ]


def _tenant_apps() -> Iterator[str]:
    yield from getattr(settings, "TENANT_APPS", ())
    public = getattr(settings, "PUBLIC_SCHEMA_NAME", "public")
    for name, kind in getattr(settings, "TENANT_TYPES", {}).items():
        if name != public:
            yield from kind.get("APPS", ())


def _is_looked_into(name: str) -> bool:
    return name.startswith(OURS) and not f"{name}.".startswith(f"{OF_RECEIVERS}.")
