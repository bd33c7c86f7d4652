"""ModelInstanceMessage, and the message classes again under the original's module name."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any

import kombu
from django.apps import apps
from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError, router
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


class BigMessage(PlainBigMessage):
    """BigMessage whose S3 client has the credentials and region of the settings."""

    def _client_options(self) -> dict[str, Any]:
        key, secret = conf.credentials
        return {
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "region_name": conf.transport_options.get("region"),
            **super()._client_options(),
        }


class ModelInstanceMessage(RawMessage):
    """A single model instance, as its app label, model name and primary key.

    :param instance: a saved instance.

    The receiver's message carries the row as it is in the database at that time.
    """

    def __init__(self, queue: kombu.Queue | None = None, instance: Model | None = None) -> None:
        super().__init__(queue, instance)

    @classmethod
    def from_value(cls, value: Any) -> ModelInstanceMessage:
        """A message to send that carries the instance *value*."""
        return cls(instance=value)

    def get_instance(self) -> Model:
        """The model instance."""
        instance: Model = self.get_body()
        return instance

    def encode(self, value: Any) -> str:
        """Base64 of JSON ``[app_label, model, pk]``."""
        return base64.b64encode(self._to_json(value).encode()).decode("ascii")

    def decode(self, value: str) -> Model:
        """The instance that *value* stands for, read from the database."""
        plain = value.lstrip().startswith("[")
        try:
            triple = json.loads(value if plain else unarmoured(value))
        except (ValueError, RecursionError) as exc:
            raise MessageDecodeError(
                f"{type(self).__name__}: neither JSON nor base64 of JSON: {line(str(exc), NAME)}"
            ) from cause(exc)
        return self._from_triple(triple)

    def dump(self) -> tuple[str, str]:
        """The JSON itself."""
        return self._to_json(self.get_body()), JSON

    def load(self, delivery: Delivery) -> Model:
        """The instance, from JSON content or from the encoded form."""
        if delivery.content_type == JSON:
            return self._from_triple(delivery.payload)
        return self.decode(delivery.text)

    def _to_json(self, value: Any) -> str:
        if not isinstance(value, Model):
            raise MessageEncodeError(
                f"{type(self).__name__} carries a model instance, not {value!r}. "
                "Give it as instance=..."
            )
        if value.pk is None:
            raise MessageEncodeError(
                f"{type(self).__name__}: {value!r} has no primary key. Save it before it is sent."
            )
        meta = value._meta.concrete_model._meta  # type: ignore[union-attr]
        return json.dumps([meta.app_label, meta.model_name, value.pk], default=str)

    def _allowed_models(self, default: type[Model]) -> Collection[str]:
        arguments = getattr(self.queue, "queue_arguments", None) or {}
        allowed: Collection[str] = arguments.get(MODELS_ARGUMENT, (default._meta.label_lower,))
        return allowed

    def _from_triple(self, triple: Any) -> Model:
        try:
            app_label, model_name, pk = triple
            model = apps.get_model(app_label, model_name)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            # One that is not there yet, while a new version of the project is rolled out.
            kind = MessageTargetMissing if isinstance(exc, LookupError) else MessageDecodeError
            raise kind(
                f"{type(self).__name__}: {quoted(triple, NAME)} names no model of this project "
                f"({line(str(exc), NAME)})"
            ) from cause(exc)
        if model._meta.label_lower not in self._allowed_models(model):
            raise MessageDecodeError(
                f"{type(self).__name__}: rows of {model._meta.label} are not for this queue "
                "(its models=)"
            )
        return self._row(model, pk)

    def _row(self, model: type[Model], pk: Any) -> Model:
        # Where it was written: a replica may not have it yet.
        rows = model._base_manager.using(router.db_for_write(model))
        try:
            instance: Model = rows.get(pk=pk)
        except ObjectDoesNotExist as exc:
            raise MessageTargetMissing(
                f"{type(self).__name__}: there is no {model._meta.label_lower} with primary key "
                f"{quoted(pk, NAME)} any more, or not yet"
            ) from exc
        except (OperationalError, InterfaceError) as exc:
            raise EnvironmentFailure(
                f"{type(self).__name__}: {model._meta.label} cannot be read now: {line(str(exc))}"
            ) from exc
        return instance
