"""What a receiver raises to be run again: RestartLater and Continue."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any


class RestartLater(Exception):
    """Raised by a receiver: leave this message in the queue and try it again later.

    It is a signal to the worker, not an error, so it is not an :class:`SQSError`, and an ``except
    SQSError`` in a receiver lets it pass.

    :param delay: seconds until the message is visible again, 0 to 43,200 (the
        longest visibility timeout of SQS), or a :class:`~datetime.timedelta`.
        ``None``: exponential backoff from the message's receive count.  A delay outside that
        range is cut to it, with a warning in the log, so that a wrong number never loses the
        message.
    :param counts: whether this receive counts for the queue's redrive policy, which moves a
        message to the dead letters after a number of receives.  False: the message is sent
        again under the same identity, with its attempts in an attribute, and the received
        one is deleted.  ``None``: False if a standard queue has a redrive policy.
    """

    def __init__(
        self, delay: float | timedelta | None = None, *, counts: bool | None = None
    ) -> None:
        super().__init__(delay)
        self.delay = delay
        self.counts = counts


#: The most bytes of a cursor, as JSON: it is a place, not what was done so far.
MOST_CURSOR = 16_384


class Continue(RestartLater):
    """Raised by a receiver: send this message again at once, to continue from a cursor.

    The next run gets it as ``message.cursor``, or by :func:`~django_sqs_kombu.cursor`.  If the
    cursor differs from the previous one, the message has all its tries again, and may continue for
    longer than its queue keeps messages.

    It does not work in a FIFO queue: there the message is left in the queue, as after a
    RestartLater, and starts over.

    :param cursor: any value that JSON can write, at most 16 KiB.
    :param delay: seconds until the message can be received, like RestartLater's.
    :raises TypeError: JSON cannot write the cursor.
    :raises ValueError: it is too large, or not a number.
    """

    def __init__(self, cursor: Any, delay: float | timedelta = 0) -> None:
        written = json.dumps(cursor, allow_nan=False)
        if len(written) > MOST_CURSOR:
            raise ValueError(
                f"Continue: the cursor has {len(written):,} bytes, more than {MOST_CURSOR:,}. "
                "Store the data elsewhere, and keep only a reference to it in the cursor."
            )
        super().__init__(delay, counts=False)
        # As it is found by the next run, and for pickle.
        self.args = (cursor, delay)
        self.cursor = json.loads(written)
