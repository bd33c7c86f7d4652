"""TypedMessage: a pydantic model or a dataclass as a message, validated when received."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, cast

import kombu

from ..exceptions import ConfigurationError, MessageDecodeError, MessageEncodeError
from ..printable import NAME, line, text_of
from .base import JSON, Delivery, RawMessage

#: How many of pydantic's errors are told of one message.
ERRORS = 10


V = TypeVar("V")


class TypedMessage(RawMessage, Generic[V]):
    """An instance of one type, as JSON; ``get_body()`` returns the instance.

    :func:`typed` makes subclasses.  The type is a pydantic model, a dataclass, or
    anything else that pydantic's TypeAdapter supports.  In the ``raw`` wire format the SQS body
    is the JSON itself, as programs in other languages write it.
    """

    #: The type of the values.
    model: ClassVar[Any]
    #: pydantic's TypeAdapter for it.
    adapter: ClassVar[Any]

    def __init__(self, queue: kombu.Queue | None = None, body: Any = None) -> None:
        super().__init__(queue, body)

    def get_body(self) -> V:
        """Return the instance."""
        return cast(V, super().get_body())

    def encode(self, value: Any) -> str:
        """Return the JSON of *value*, with the names that validation reads.

        :raises MessageEncodeError: *value* has another type.
        """
        if not isinstance(value, self.model):
            raise MessageEncodeError(
                f"This queue carries {self.model.__name__} (its model=), not {type(value).__name__}"
            )
        text: bytes = self.adapter.dump_json(value, by_alias=True)
        return text.decode()

    def decode(self, value: str) -> Any:
        """Return the instance for the JSON *value*.

        :raises MessageDecodeError: it is not valid; the text says what is wrong, and where.
        """
        return validated(self.model, lambda adapter: adapter.validate_json(value))

    def dump(self) -> tuple[str, str]:
        """Return the JSON itself."""
        return self._encoded(self.get_body()), JSON

    def load(self, delivery: Delivery) -> Any:
        """Return the instance, from the text inside the envelope."""
        return self.decode(delivery.text)


def typed(model: Any) -> type[TypedMessage[Any]]:
    """Return the message class that carries instances of *model*.

    :raises ConfigurationError: pydantic is not installed, or cannot handle *model*.
    """
    adapter_of(model)
    return _class_for(model)


@functools.cache
def _class_for(model: type) -> type[TypedMessage[Any]]:
    adapter = _adapter(model)
    return type(f"{model.__name__}Message", (TypedMessage,), {"model": model, "adapter": adapter})


def adapter_of(model: Any) -> Any:
    """Return pydantic's TypeAdapter for *model*.

    :raises ConfigurationError: pydantic is not installed, or cannot handle *model*.
    """
    if not isinstance(model, type):
        raise ConfigurationError(
            f"model must be a class, a pydantic model or a dataclass, not {model!r}"
        )
    return _adapter(model)


@functools.cache
def _adapter(model: type) -> Any:
    try:
        from pydantic import PydanticUserError, TypeAdapter
    except ImportError as exc:
        raise ConfigurationError(
            "model= needs pydantic: pip install 'django-sqs[pydantic]'"
        ) from exc
    try:
        return TypeAdapter(model)
    except PydanticUserError as exc:
        raise ConfigurationError(
            f"model must be a pydantic model or a dataclass; {model.__name__} is neither: {exc}"
        ) from exc


def validated(model: type, read: Callable[[Any], Any]) -> Any:
    """Return what *read* makes of a value with the TypeAdapter of *model*.

    :raises MessageDecodeError: it is not valid; the text says what is wrong, and where.
    """
    try:
        return read(adapter_of(model))
    except ValueError as exc:
        # Not with pydantic's error as its cause: that prints every wrong value, too.
        raise MessageDecodeError(f"Not a valid {model.__name__}: {_what_is_wrong(exc)}") from None


def _what_is_wrong(exc: ValueError) -> str:
    """The first errors of a pydantic ValidationError on one line, each with its place."""
    errors = getattr(exc, "errors", None)
    if errors is None:
        return line(text_of(exc), NAME)
    found = errors(include_url=False, include_context=False, include_input=False)
    told = [_one_error(error) for error in found[:ERRORS]]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more errors" if more else "")


def _one_error(error: Mapping[str, Any]) -> str:
    place = line(".".join(map(str, error["loc"])), NAME)
    text = line(error["msg"], NAME)
    return f"{place}: {text}" if place else text
