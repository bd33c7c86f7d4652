"""Counts: what the stub has seen since the last reset."""

import time
from collections import Counter


class Counts:
    """What is asked at ``/-/stats``; what is in flight or under way outlives a reset."""

    def __init__(self):
        self.in_flight = 0
        #: Polls that are not answered yet.
        self.polls = 0
        #: Answers that wait for the latency.
        self.late = 0
        self.reset()

    def reset(self):
        self.requests = Counter()
        self.bytes = 0
        self.sent = 0
        self.handed_out = 0
        #: Receipts that were deleted for the first time.
        self.deleted = 0
        self.deleted_again = 0
        self.given_back = 0
        self.renewed = 0
        self.most_in_flight = self.in_flight
        self.most_late = self.late
        #: When each queue was polled for the first time, on the monotonic clock.
        self.first_polls = {}

    def polled(self, queue):
        self.polls += 1
        if queue not in self.first_polls:
            self.first_polls[queue] = time.monotonic()

    def begin_late(self):
        self.late += 1
        self.most_late = max(self.most_late, self.late)

    def handing_out(self, count):
        self.handed_out += count
        self.in_flight += count
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def stats(self):
        """All of it, ready for JSON."""
        figures = {
            name: value
            for name, value in vars(self).items()
            if name not in ("requests", "first_polls")
        }
        return {
            **figures,
            "requests": dict(self.requests),
            "queues_polled": len(self.first_polls),
            "last_first_poll": max(self.first_polls.values(), default=None),
            "now": time.monotonic(),
        }
