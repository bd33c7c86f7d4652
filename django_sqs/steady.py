"""steady_alias_of: where a table is that must be in one database, whoever asks."""

from __future__ import annotations

from django.db import router
from django.db.models import Model

from django_sqs_kombu.logs import get_logger

from .connections import alias_of

logger = get_logger(__name__)


class _Answers:
    """What the project's routers said first, and of which models they said something else."""

    def __init__(self) -> None:
        self._routers: object = None
        self._first: dict[type[Model], str] = {}
        self._warned: set[type[Model]] = set()

    def compare(self, model: type[Model], alias: str) -> None:
        """Warn, once, where a router said something else before."""
        if self._routers is not router.routers:
            # Others, as after a test's override_settings.
            self._routers = router.routers
            self._first.clear()
        first = self._first.setdefault(model, alias)
        if alias == first or model in self._warned:
            return
        self._warned.add(model)
        logger.warning(
            "A router says that %s is in database %r, after it said %r. Workers also ask outside "
            "of receivers, so its answer for this model must always be the same: otherwise "
            "cancelled messages run, keys are not freed and results stay unfinished. This is "
            "logged once.",
            model._meta.label,
            alias,
            first,
        )


_answers = _Answers()


def steady_alias_of(model: type[Model]) -> str:
    """The alias of the database that a model is written to, which should never change.

    What one thread writes there another looks for, with nothing of the request or the message at
    hand that a router may go by.

    :raises NotConnected: as :func:`~.connections.alias_of`.
    """
    alias = alias_of(model)
    _answers.compare(model, alias)
    return alias
