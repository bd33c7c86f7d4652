"""Working: from a delivery to its settlement."""

from .consumer import ReceiverConsumer
from .context import MessageContext, MessageContextFilter, current_message
from .coroutines import CANCEL_GRACE, within
from .deadline import deadline
from .instruments import Instrument, Sending, Settlement, around
from .observer import Observer
from .registered import Registered, Registry
from .table import Action

__all__ = [
    "CANCEL_GRACE",
    "Action",
    "Instrument",
    "MessageContext",
    "MessageContextFilter",
    "Observer",
    "ReceiverConsumer",
    "Registered",
    "Registry",
    "Sending",
    "Settlement",
    "around",
    "current_message",
    "deadline",
    "within",
]
