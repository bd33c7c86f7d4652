"""Working: from a delivery to its settlement."""

from .attempt import is_interrupt
from .consumer import ReceiverConsumer
from .context import MessageContext, MessageContextFilter, current_message
from .coroutines import CANCEL_GRACE, LeftBehind, within
from .deadline import deadline
from .forks import end_process
from .middleware import (
    ADMITTED,
    Admission,
    Middleware,
    NamedQueue,
    Sending,
    Settlement,
    around_sending,
    tell,
)
from .outcomes import printable
from .registered import NotesEnds, Received, Registered, Registry
from .restarting import attempts
from .table import RETRY_TRIES, Action, Retry

__all__ = [
    "ADMITTED",
    "CANCEL_GRACE",
    "RETRY_TRIES",
    "Action",
    "Admission",
    "LeftBehind",
    "MessageContext",
    "MessageContextFilter",
    "Middleware",
    "NamedQueue",
    "NotesEnds",
    "Received",
    "ReceiverConsumer",
    "Registered",
    "Registry",
    "Retry",
    "Sending",
    "Settlement",
    "around_sending",
    "attempts",
    "current_message",
    "deadline",
    "end_process",
    "is_interrupt",
    "printable",
    "tell",
    "within",
]
