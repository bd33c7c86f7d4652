"""Tally: a receiver that remembers what became of its messages."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """A receiver whose messages say how long it is to take: ``"name"`` or ``"name seconds"``.

    :ivar accepted: the bodies that SQS accepted, where a test tells.
    :ivar starts: how often each message was started, by its id.
    :ivar done: the bodies of what was received to the end.
    """

    accepted: set = field(default_factory=set)
    starts: Counter = field(default_factory=Counter)
    done: set = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, message):
        body = message.get_body()
        with self.lock:
            self.starts[message.id] += 1
        time.sleep(float(body.partition(" ")[2] or 0))
        with self.lock:
            self.done.add(body)

    @property
    def lost(self):
        """What SQS accepted and nobody received."""
        return self.accepted - self.done

    @property
    def twice(self):
        """The ids of messages that were started more than once."""
        with self.lock:
            return [message for message, count in self.starts.items() if count > 1]
