"""Working: from a delivery to its settlement."""

from .consumer import ReceiverConsumer
from .context import MessageContext, MessageContextFilter, current_message
from .coroutines import CANCEL_GRACE, within
from .deadline import deadline
from .instruments import Instrument, Sending, Settlement, around_sending
from .observer import Observer
from .outcomes import printable
from .registered import NotesEnds, Received, Registered, Registry
from .restarting import attempts
from .table import RETRY_TRIES, Action, Retry

__all__ = [
    "CANCEL_GRACE",
    "RETRY_TRIES",
    "Action",
    "Instrument",
    "MessageContext",
    "MessageContextFilter",
    "NotesEnds",
    "Observer",
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
    "printable",
    "within",
]
