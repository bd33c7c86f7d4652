"""The message classes: what a body means."""

from .base import ENCODED, JSON, PLAIN, Delivery, RawMessage
from .boto import EncodedMHMessage, JSONMessage, Message, MHMessage
from .s3 import BigMessage
from .typed import TypedMessage, adapter_of, typed, validated

__all__ = [
    "ENCODED",
    "JSON",
    "PLAIN",
    "BigMessage",
    "Delivery",
    "EncodedMHMessage",
    "JSONMessage",
    "MHMessage",
    "Message",
    "RawMessage",
    "TypedMessage",
    "adapter_of",
    "typed",
    "validated",
]
