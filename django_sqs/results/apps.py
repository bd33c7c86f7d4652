"""The app of stored results."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from ..tasks.store import Store


class ResultsConfig(AppConfig):
    """Keeps the results of tasks in the database."""

    name = "django_sqs.results"
    label = "django_sqs_results"
    verbose_name = _("Amazon SQS task results")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Announce where results are kept to the task backends."""
        from ..app_checks import check_apps  # noqa: F401 - registers it
        from ..tasks.stores import stores

        stores.announce(self.name, _store)


@cache
def _store() -> Store:
    # Late: a project that has the app, but no tasks yet, needs no Tasks framework.
    from .store import DatabaseStore

    return DatabaseStore()
