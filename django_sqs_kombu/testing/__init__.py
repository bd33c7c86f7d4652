"""Helpers for tests of receivers and senders: no SQS is needed."""

from .eager import receive_at_once
from .helpers import (
    ForgottenSend,
    SentMessage,
    SentMessages,
    captured,
    eager,
    nothing_sent,
    received_message,
    sent_to_sqs,
)

__all__ = [
    "ForgottenSend",
    "SentMessage",
    "SentMessages",
    "captured",
    "eager",
    "nothing_sent",
    "receive_at_once",
    "received_message",
    "sent_to_sqs",
]
