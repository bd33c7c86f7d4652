"""Helpers for tests of receivers and of what sends: no SQS is needed."""

from .eager import receive_at_once
from .helpers import SentMessage, SentMessages, captured, eager, received_message

__all__ = [
    "SentMessage",
    "SentMessages",
    "captured",
    "eager",
    "receive_at_once",
    "received_message",
]
