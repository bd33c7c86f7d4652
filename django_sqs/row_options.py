"""Row options: which rows the messages of a queue may name, by models= and databases=."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db import connections
from django.db.models import Model

from django_sqs_kombu.exceptions import ConfigurationError, MessageEncodeError
from django_sqs_kombu.rules import shown


def labels_of(queue: str, models: Any) -> frozenset[str]:
    """The labels, in lower case, of the models that *models* are.

    :param queue: the queue's name, for the error.
    :raises ConfigurationError: they are something else.
    """
    # Of one label alone each letter would count as a model.
    if isinstance(models, Iterable) and not isinstance(models, str | bytes):
        labels = [_label(model) for model in models]
        if all(label and label.count(".") == 1 for label in labels):
            return frozenset(str(label).lower() for label in labels)
    raise ConfigurationError(
        f"Queue {queue!r}: models must be a list of models or of labels such as 'shop.Order', "
        f"not {shown(models)}"
    )


def aliases_of(queue: str, aliases: Any) -> tuple[str, ...]:
    """The aliases of databases that *aliases* are.

    :param queue: the queue's name, for the error.
    :raises ConfigurationError: they are something else.
    """
    if isinstance(aliases, Iterable) and not isinstance(aliases, str | bytes):
        found = tuple(aliases)
        if all(isinstance(alias, str) for alias in found):
            return found
    raise ConfigurationError(
        f"Queue {queue!r}: databases must be a list of aliases of DATABASES, not {shown(aliases)}"
    )


def database_alias(value: Any) -> str | None:
    """The rule for the alias of a database of the project."""
    if isinstance(value, str) and value in connections.settings:
        return None
    return f"must be an alias of DATABASES ({', '.join(connections.settings)})"


def check_model(queue: str, row: Model, models: Collection[str]) -> None:
    """Raise :class:`MessageEncodeError` unless *row* is one of *models*: no receiver would take it.

    :param queue: the queue's name, for the error.
    """
    # As the message names it.
    meta = row._meta.concrete_model._meta  # type: ignore[union-attr]
    if meta.label_lower not in models:
        raise MessageEncodeError(
            f"Queue {queue!r}: {meta.label} is not among its models, {', '.join(sorted(models))}. "
            "Add it to models= of the queue, so that its receivers may read its rows."
        )


def _label(model: Any) -> str | None:
    if isinstance(model, str):
        return model
    label: str | None = getattr(getattr(model, "_meta", None), "label", None)
    return label
