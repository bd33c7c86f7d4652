"""Registration: who receives what, and sending to it."""

from .declaration import DEFAULT_MAX_RECEIVES, QueueDeclaration
from .forward import CeleryForward
from .options import FEW_RECEIVES, LONGEST_TIMEOUT, QueueOptions, Receiver
from .outgoing import Outgoing
from .proxy import ReceiverProxy
from .queue import RegisteredQueue
from .receivers import Outlet, Receivers
from .sender import Defaults, Sender

__all__ = [
    "DEFAULT_MAX_RECEIVES",
    "FEW_RECEIVES",
    "LONGEST_TIMEOUT",
    "CeleryForward",
    "Defaults",
    "Outgoing",
    "Outlet",
    "QueueDeclaration",
    "QueueOptions",
    "Receiver",
    "ReceiverProxy",
    "Receivers",
    "RegisteredQueue",
    "Sender",
]
