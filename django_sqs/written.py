"""Written: rows where they are written, since a replica may not know them yet."""

from __future__ import annotations

from typing import TypeVar

from django.db import router
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def written(model: type[Row]) -> QuerySet[Row]:
    """The rows of *model*, in the database that they are written to."""
    return model._default_manager.using(router.db_for_write(model))
