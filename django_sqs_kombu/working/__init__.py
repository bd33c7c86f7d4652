"""Working: from a delivery to its settlement."""

from .attempt import is_interrupt
from .breaker import Breaker, Trip
from .calls_under_way import NotingExecutor, lend, note_call, waiting_for_calls
from .consumer import ReceiverConsumer
from .context import MessageContext, MessageContextFilter, current_message
from .coroutines import CANCEL_GRACE, LeftBehind, refuse_within_loop, within
from .cut_off import CutOff
from .deadline import deadline
from .ends_of_keys import Ended, KeyWriter
from .exception_groups import deciding
from .failure import FAILURE, Failure, origin_of
from .forks import end_process, flush_output
from .going_on import cursor, stopping
from .late import taking_all
from .loop_time import new_event_loop
from .masking import Mask, mask_rule, masked, printable
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
from .policy import DELETE, NO_POLICY, Policy
from .rate import Counter, Rate, RateLimit
from .registered import NotesEnds, Received, Registered, Registry
from .restarting import attempts
from .retry import RETRY_TRIES, Exponential, Retry, exponential
from .schedule import ON_TIME, UTC, Schedule
from .slots import LONGEST_CATCH_UP, Scheduled, ticker_of
from .table import ENDS, FIRST, TABLE, Action, Attempts, Row, row_for, table_of
from .telling import told
from .tickets import Ticket, TicketStore
from .ticking import Ticking
from .upkeep import MOST_CALLS, ThreadUpkeep

__all__ = [
    "ADMITTED",
    "CANCEL_GRACE",
    "DELETE",
    "ENDS",
    "FAILURE",
    "FIRST",
    "LONGEST_CATCH_UP",
    "MOST_CALLS",
    "NO_POLICY",
    "ON_TIME",
    "RETRY_TRIES",
    "TABLE",
    "UTC",
    "Action",
    "Admission",
    "Attempts",
    "Breaker",
    "Counter",
    "CutOff",
    "Ended",
    "Exponential",
    "Failure",
    "KeyWriter",
    "LeftBehind",
    "Mask",
    "MessageContext",
    "MessageContextFilter",
    "Middleware",
    "NamedQueue",
    "NotesEnds",
    "NotingExecutor",
    "Policy",
    "Rate",
    "RateLimit",
    "Received",
    "ReceiverConsumer",
    "Registered",
    "Registry",
    "Retry",
    "Row",
    "Schedule",
    "Scheduled",
    "Sending",
    "Settlement",
    "ThreadUpkeep",
    "Ticket",
    "TicketStore",
    "Ticking",
    "Trip",
    "around_sending",
    "attempts",
    "current_message",
    "cursor",
    "deadline",
    "deciding",
    "end_process",
    "exponential",
    "flush_output",
    "is_interrupt",
    "lend",
    "mask_rule",
    "masked",
    "new_event_loop",
    "note_call",
    "origin_of",
    "printable",
    "refuse_within_loop",
    "row_for",
    "stopping",
    "table_of",
    "taking_all",
    "tell",
    "ticker_of",
    "told",
    "waiting_for_calls",
    "within",
]
