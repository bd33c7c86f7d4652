"""Registration: who receives what, and sending to it."""

from .batch import open_batch, outside
from .batch_end import BatchSender, errors_of
from .declaration import DEFAULT_MAX_RECEIVES, QueueDeclaration
from .forward import CeleryForward
from .options import FEW_RECEIVES, LONGEST_TIMEOUT, QueueOptions, Receiver
from .outgoing import Outgoing
from .proxy import ReceiverProxy
from .queue import RegisteredQueue
from .receivers import Outlet, Receivers
from .sender import Defaults, Prepared, Sender

__all__ = [
    "DEFAULT_MAX_RECEIVES",
    "FEW_RECEIVES",
    "LONGEST_TIMEOUT",
    "BatchSender",
    "CeleryForward",
    "Defaults",
    "Outgoing",
    "Outlet",
    "Prepared",
    "QueueDeclaration",
    "QueueOptions",
    "Receiver",
    "ReceiverProxy",
    "Receivers",
    "RegisteredQueue",
    "Sender",
    "errors_of",
    "open_batch",
    "outside",
]
