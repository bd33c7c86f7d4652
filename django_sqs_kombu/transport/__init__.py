"""The Kombu transport: what a broker URL names, and its channel."""

from .body.armour import unarmoured
from .body.envelope import rewritten
from .body.payloads import PREFIX, SIZE_ATTRIBUTES, is_pointer
from .channel import Channel
from .delivery import Delivery
from .holding.note import Note, NoteWriter
from .options import KNOWN as KNOWN_OPTIONS
from .options import wrong_options
from .receiving.message_limit import LocalLimit, ReceiveLimit
from .sending.copies import TRACE, copy_of
from .sending.dispatch import Dispatched, refused_for_content, send_list
from .sending.expiring import has_expired
from .sending.fitting import fitted
from .sending.trail import FINISHED, STARTED, Trail
from .sqs.declaration import WIRE_FORMATS
from .sqs.pauses import Pause, pause_of
from .sqs.received import Message as SQSMessage
from .sqs.received import group_of, moved_from
from .sqs.requests import QueueCounts, Requests
from .sqs.shield import ends_before_deadlines
from .sqs.threads import Threads
from .transport import Transport

__all__ = [
    "FINISHED",
    "KNOWN_OPTIONS",
    "PREFIX",
    "SIZE_ATTRIBUTES",
    "STARTED",
    "TRACE",
    "WIRE_FORMATS",
    "Channel",
    "Delivery",
    "Dispatched",
    "LocalLimit",
    "Note",
    "NoteWriter",
    "Pause",
    "QueueCounts",
    "ReceiveLimit",
    "Requests",
    "SQSMessage",
    "Threads",
    "Trail",
    "Transport",
    "copy_of",
    "ends_before_deadlines",
    "fitted",
    "group_of",
    "has_expired",
    "is_pointer",
    "moved_from",
    "pause_of",
    "refused_for_content",
    "rewritten",
    "send_list",
    "unarmoured",
    "wrong_options",
]
