"""Limits of SQS that emulators do not enforce, so that a request beyond them is seen."""

import json
import threading
import time

from django_sqs_kombu.quotas import (
    MAX_ATTRIBUTES,
    MAX_MESSAGE_BYTES,
    MAX_VISIBILITY_TIMEOUT,
    size_of,
)

REFUSED = "InvalidParameterValue"
TOO_LONG = "BatchRequestTooLong"
SENDS = ("SendMessage", "SendMessageBatch")
CHANGES = ("ChangeMessageVisibility", "ChangeMessageVisibilityBatch")


class Limits:
    """What SQS would refuse; safe to use from any thread.

    :ivar violations: of each request that was beyond a limit, its operation and the reason.
    """

    def __init__(self):
        self.violations = []
        self._received_at = {}
        self._lock = threading.Lock()

    def refuse(self, operation, asked):
        """Return SQS's error (code, text) for a request beyond a limit, or None."""
        found = None
        if operation in SENDS:
            found = self._refuse_sending(asked.get("Entries", [asked]))
        elif operation in CHANGES:
            found = self._refuse_hiding(asked.get("Entries", [asked]))
        if found is not None:
            with self._lock:
                self.violations.append((operation, found[1]))
        return found

    def note_received(self, messages):
        """Remember when *messages* were received: 12 hours of visibility count from then."""
        now = time.monotonic()
        with self._lock:
            self._received_at.update((message["ReceiptHandle"], now) for message in messages)

    def note_answer(self, body):
        """The same, for the body of an answer to ReceiveMessage."""
        try:
            messages = json.loads(body).get("Messages") or []
        except (ValueError, AttributeError):
            return
        self.note_received(messages)

    def _refuse_sending(self, entries):
        for entry in entries:
            count = len(entry.get("MessageAttributes", {}))
            if count > MAX_ATTRIBUTES:
                return REFUSED, (
                    f"Number of message attributes [{count}] exceeds the allowed maximum "
                    f"[{MAX_ATTRIBUTES}]."
                )
        size = sum(size_of(entry) for entry in entries)
        if size > MAX_MESSAGE_BYTES:
            return (TOO_LONG if len(entries) > 1 else REFUSED), (
                f"Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes. "
                f"You have sent {size} bytes."
            )
        return None

    def _refuse_hiding(self, entries):
        now = time.monotonic()
        for entry in entries:
            seconds = int(entry["VisibilityTimeout"])
            with self._lock:
                received_at = self._received_at.get(entry["ReceiptHandle"], now)
            if now - received_at + seconds > MAX_VISIBILITY_TIMEOUT:
                return REFUSED, (
                    f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total "
                    f"VisibilityTimeout for the message is beyond the limit "
                    f"[{MAX_VISIBILITY_TIMEOUT} seconds]."
                )
        return None
