"""Registration: who receives what, and sending to it."""

from .batch import open_batch, outside
from .batch_end import BatchSender, errors_of
from .declaration import DEFAULT_MAX_RECEIVES, QueueDeclaration
from .forward import CeleryForward
from .keywords import (
    Keywords,
    MessageKeywords,
    QueueKeywords,
    RegisterKeywords,
    SendKeywords,
    SendManyKeywords,
)
from .options import FEW_RECEIVES, LONGEST_TIMEOUT, QueueOptions, Receiver
from .outgoing import Outgoing
from .proxy import ReceiverProxy, SendingQueue, no_attribute
from .queue import RegisteredQueue
from .receivers import Outlet, Receivers
from .scheduling import slots_problem
from .sender import Defaults, Prepared, Sender
from .several import Several
from .ticketing import ticket_of
from .uniqueness import LONGEST_KEY, Unique, may_be_there

__all__ = [
    "DEFAULT_MAX_RECEIVES",
    "FEW_RECEIVES",
    "LONGEST_KEY",
    "LONGEST_TIMEOUT",
    "BatchSender",
    "CeleryForward",
    "Defaults",
    "Keywords",
    "MessageKeywords",
    "Outgoing",
    "Outlet",
    "Prepared",
    "QueueDeclaration",
    "QueueKeywords",
    "QueueOptions",
    "Receiver",
    "ReceiverProxy",
    "Receivers",
    "RegisterKeywords",
    "RegisteredQueue",
    "SendKeywords",
    "SendManyKeywords",
    "Sender",
    "SendingQueue",
    "Several",
    "Unique",
    "errors_of",
    "may_be_there",
    "no_attribute",
    "open_batch",
    "outside",
    "slots_problem",
    "ticket_of",
]
