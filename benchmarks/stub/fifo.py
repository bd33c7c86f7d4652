"""FIFO queues: message groups, each of which is in order and handed out to one at a time."""

import heapq
import itertools
from collections import deque

from .queues import Queue


class Group:
    """A message group."""

    def __init__(self, number):
        self.name = b"group-%05d" % number
        self.in_flight = 0
        self._numbers = itertools.count(1)
        #: The sequence numbers that were given back, a heap, and how often each was received.
        self._returned = []
        self._received = {}

    def next(self):
        """A sequence number, and how often it is received with this time."""
        if not self._returned:
            return next(self._numbers), 1
        sequence = heapq.heappop(self._returned)
        return sequence, self._received.pop(sequence) + 1

    def give_back(self, sequence, received):
        heapq.heappush(self._returned, sequence)
        self._received[sequence] = received


class FifoQueue(Queue):
    """A FIFO queue.

    :ivar burst: how many messages of one group an answer has at most.
    """

    def __init__(self, name, number, attributes, counts):
        super().__init__(name, number, attributes, counts)
        self.burst = 1
        #: By the number of an answer: its messages, each as (group, sequence, receives).
        self._messages = {}
        self.set_groups(100)

    def set_groups(self, count):
        """Have *count* groups from now on, new ones."""
        self._free = deque(Group(number) for number in range(count))

    def accept(self, entry):
        return {**super().accept(entry), "SequenceNumber": f"{self._counts.sent:020d}"}

    def take(self, most, names):
        most = min(most, self.left)
        taken = []
        while self._free and len(taken) < most:
            group = self._free.popleft()
            group.in_flight = min(self.burst, most - len(taken))
            taken += [(group, *group.next()) for _ in range(group.in_flight)]
        if not taken:
            return None
        number = self._hand_out(len(taken))
        self._messages[number] = taken
        return self._body.fifo_answer(number, taken, names)

    def _end(self, number, place, *, given_back=False):
        if not super()._end(number, place):
            return False
        group, sequence, received = self._messages[number][place]
        if number not in self._held:
            del self._messages[number]
        if given_back:
            group.give_back(sequence, received)
        group.in_flight -= 1
        if not group.in_flight:
            self._free.append(group)
        return True
