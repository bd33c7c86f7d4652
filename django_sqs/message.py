"""ModelInstanceMessage, and the message classes again under the original's module name."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any

import kombu
from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DataError, Error, router
from django.db.models import Model

from django_sqs_kombu.exceptions import (
    EnvironmentFailure,
    MessageDecodeError,
    MessageEncodeError,
    MessageTargetMissing,
)
from django_sqs_kombu.messages import (
    JSON,
    Delivery,
    EncodedMHMessage,
    JSONMessage,
    Message,
    MHMessage,
    RawMessage,
)
from django_sqs_kombu.messages import BigMessage as PlainBigMessage
from django_sqs_kombu.printable import NAME, cause, line, quoted
from django_sqs_kombu.transport import unarmoured

from .conf import conf
from .connections import alias_of, connect

__all__ = [
    "BigMessage",
    "EncodedMHMessage",
    "JSONMessage",
    "MHMessage",
    "Message",
    "ModelInstanceMessage",
    "RawMessage",
]

#: Among a kombu.Queue's ``queue_arguments``: the labels of the models of its messages.
MODELS_ARGUMENT = "x-models"
#: The same for the aliases of the databases that they may be in.
DATABASES_ARGUMENT = "x-databases"


class BigMessage(PlainBigMessage):
    """BigMessage whose S3 client has the credentials, region and S3 server of the settings."""

    def _client_options(self) -> dict[str, Any]:
        keys = conf.credentials
        options = conf.transport_options
        return {
            "aws_access_key_id": keys.access_key_id,
            "aws_secret_access_key": keys.secret_access_key,
            "aws_session_token": keys.session_token,
            "region_name": options.get("region"),
            "endpoint_url": options.get("s3_endpoint_url"),
            **super()._client_options(),
        }


class ModelInstanceMessage(RawMessage):
    """A single model instance, as its app label, model name and primary key.

    If the instance is not in the database that the router names for its model, the alias
    of its database is a fourth part.

    :param instance: a saved instance.

    The receiver's message carries the row as it is in the database when it is received, read by
    the model's default manager from the database where it was written.
    """

    def __init__(self, queue: kombu.Queue | None = None, instance: Model | None = None) -> None:
        super().__init__(queue, instance)

    @classmethod
    def from_value(cls, value: Any) -> ModelInstanceMessage:
        """Return a message to send that carries the instance *value*."""
        return cls(instance=value)

    def get_instance(self) -> Model:
        """Return the model instance."""
        instance: Model = self.get_body()
        return instance

    def encode(self, value: Any) -> str:
        """Base64 of JSON ``[app_label, model, pk]``, or ``[app_label, model, pk, database]``."""
        return base64.b64encode(self._to_json(value).encode()).decode("ascii")

    def decode(self, value: str) -> Model:
        """Return the instance for *value*, read from the database."""
        plain = value.lstrip().startswith("[")
        try:
            parts = json.loads(value if plain else unarmoured(value))
        except (ValueError, RecursionError) as exc:
            raise MessageDecodeError(
                f"{type(self).__name__}: neither JSON nor base64 of JSON: {line(str(exc), NAME)}"
            ) from cause(exc)
        return self._from_parts(parts)

    def dump(self) -> tuple[str, str]:
        """Return the JSON itself."""
        return self._to_json(self.get_body()), JSON

    def load(self, delivery: Delivery) -> Model:
        """Return the instance, from JSON content or from the encoded form."""
        if delivery.content_type == JSON:
            return self._from_parts(delivery.payload)
        return self.decode(delivery.text)

    def _to_json(self, value: Any) -> str:
        if not isinstance(value, Model):
            raise MessageEncodeError(
                f"{type(self).__name__} carries a model instance, not {value!r}. "
                "Give it as instance=..."
            )
        if value.pk is None:
            raise MessageEncodeError(
                f"{type(self).__name__}: {value!r} has no primary key. Save it before sending it."
            )
        model = value._meta.concrete_model
        parts = [model._meta.app_label, model._meta.model_name, value.pk]  # type: ignore[union-attr]
        # The original reads three parts.
        if (database := foreign_database(value)) is not None:
            parts.append(database)
        return json.dumps(parts, default=_key_text)

    def _allowed(self, argument: str) -> Collection[str] | None:
        allowed: Collection[str] | None = (getattr(self.queue, "queue_arguments", None) or {}).get(
            argument
        )
        return allowed

    def _from_parts(self, parts: Any) -> Model:
        try:
            app_label, model_name, pk, *database = parts
            model = apps.get_model(app_label, model_name)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            # One that is not there yet, while a new version of the project is rolled out.
            kind = MessageTargetMissing if isinstance(exc, LookupError) else MessageDecodeError
            raise kind(
                f"{type(self).__name__}: {quoted(parts, NAME)} names no model of this project "
                f"({line(str(exc), NAME)})"
            ) from cause(exc)
        models = self._allowed(MODELS_ARGUMENT)
        if models is not None and model._meta.label_lower not in models:
            raise MessageDecodeError(
                f"{type(self).__name__}: rows of {model._meta.label} are not for this queue "
                "(its models=)"
            )
        return self._row(model, pk, self._database(model, database))

    def _database(self, model: type[Model], named: list[Any]) -> str | None:
        """Where the row was written, if it is named."""
        if not named:
            return None
        [alias, *more] = named
        if more or alias not in (self._allowed(DATABASES_ARGUMENT) or ()):
            raise MessageDecodeError(
                f"{type(self).__name__}: rows in database {quoted(alias, NAME)} are not for this "
                "queue (its databases=)"
            )
        return str(alias)

    def _row(self, model: type[Model], pk: Any, database: str | None) -> Model:
        try:
            # A replica may not have it yet.
            database = database or alias_of(model)
            # Whatever keeps it from connecting says nothing about the key.
            connect(database)
            instance: Model = model._default_manager.using(database).get(pk=pk)
        except ObjectDoesNotExist as exc:
            raise MessageTargetMissing(
                f"{type(self).__name__}: there is no {model._meta.label_lower} with primary key "
                f"{quoted(pk, NAME)} any more, or not yet",
                kind=type(exc),
            ) from exc
        except (DataError, TypeError, ValueError, OverflowError, ValidationError) as exc:
            raise MessageDecodeError(
                f"{type(self).__name__}: {quoted(pk, NAME)} is not a primary key of "
                f"{model._meta.label}"
            ) from cause(exc)
        except Error as exc:
            raise EnvironmentFailure(
                f"{type(self).__name__}: {model._meta.label} cannot be read now: {line(str(exc))}"
            ) from exc
        return instance


def _key_text(key: Any) -> str:
    """A key, or a part of one, that JSON does not know, such as a UUID."""
    if isinstance(key, bytes | bytearray | memoryview):
        raise MessageEncodeError(
            f"A model instance whose primary key is binary cannot be sent: {quoted(key, NAME)}"
        )
    return str(key)


def database_of(instance: Model) -> str:
    """The alias of the database that *instance* is written to, wherever it was read from."""
    # Not its type: that of request.user, which is lazy, is no model.
    alias: str = router.db_for_write(instance.__class__, instance=instance)
    return alias


def foreign_database(instance: Model) -> str | None:
    """That alias, where it is not the one that the router names for the model."""
    alias = database_of(instance)
    return None if alias == router.db_for_write(instance.__class__) else alias


def row_of(value: Any) -> Model | None:
    """The instance that a message, or the value for one, carries, if it carries one."""
    if isinstance(value, ModelInstanceMessage):
        value = value.get_body()
    return value if isinstance(value, Model) else None
