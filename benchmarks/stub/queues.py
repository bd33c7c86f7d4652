"""Queues: what is handed out, and what became of it."""

import math

from .answers import NOTHING, Refused
from .bodies import Body, origin


class Poll:
    """A receive that waits for a message.

    :ivar timer: gives it up after its time.
    """

    def __init__(self, queue, connection, most, names):
        self._queue = queue
        self._connection = connection
        self._most = most
        self._names = names
        self.timer = None

    def serve(self):
        """Whether there was something."""
        answer = self._queue.take(self._most, self._names)
        if answer is None:
            return False
        self.break_off()
        self._connection.answer(answer)
        return True

    def give_up(self):
        self.break_off()
        self._connection.answer(NOTHING)

    def break_off(self):
        self.timer.cancel()
        self._queue.waiting.pop(self, None)


class Queue:
    """A standard queue.

    :param number: its own among all queues.
    :ivar left: how many messages it hands out from now on.
    :ivar waiting: its polls, the first first.
    """

    def __init__(self, name, number, attributes, counts):
        self.name = name
        self._own_number = number
        self.attributes = attributes
        self.left = 0 if "idle" in name else math.inf
        self.waiting = {}
        self.in_flight = 0
        self._counts = counts
        self._body = Body(number, "8 bytes!", {})
        self._number = 0
        #: By the number of an answer: its places that are in flight, and those given back.
        self._held = {}
        self._returned = {}

    def accept(self, entry):
        """Take a message that was sent; return what SQS says of it."""
        text, attributes = entry["MessageBody"], entry.get("MessageAttributes") or {}
        if text != self._body.text or attributes != self._body.attributes:
            self._body = Body(self._own_number, text, attributes)
        self._counts.sent += 1
        said = {
            "MD5OfMessageBody": self._body.md5,
            "MessageId": f"10000000-0000-4000-8000-{self._counts.sent:012d}",
        }
        if attributes:
            said["MD5OfMessageAttributes"] = self._body.md5_of_attributes
        return said

    def take(self, most, names):
        """The answer with up to *most* messages; None: there is none now."""
        count = min(most, self.left)
        if not count:
            return None
        return self._body.answer(self._hand_out(count), count, names)

    def delete(self, receipt):
        """Delete a message, of which more deletions are counted.

        :raises Refused: no message was handed out with this receipt.
        """
        number, place = self._known(receipt)
        if self._end(number, place):
            self._counts.deleted += 1
        elif self._returned.get(number, 0) >> place & 1:
            # Deleted once, after it was given back.
            self._returned[number] &= ~(1 << place)
            self._counts.deleted += 1
        else:
            self._counts.deleted_again += 1

    def change_visibility(self, receipt, seconds):
        """Renew a message, or give it back.

        :raises Refused: it is not in flight.
        """
        number, place = self._known(receipt)
        if not self._held.get(number, 0) >> place & 1:
            raise Refused("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")
        if seconds:
            self._counts.renewed += 1
            return
        self._counts.given_back += 1
        self.left += 1
        self._returned[number] = self._returned.get(number, 0) | 1 << place
        self._end(number, place, given_back=True)

    def serve(self):
        """Answer the polls that wait, as long as there is something."""
        for poll in list(self.waiting):
            if not poll.serve():
                return

    def _hand_out(self, count):
        """Note that an answer has *count* messages; return its number."""
        self._number += 1
        self._held[self._number] = (1 << count) - 1
        self.left -= count
        self.in_flight += count
        self._counts.handing_out(count)
        return self._number

    def _known(self, receipt):
        found = origin(receipt)
        if found is None or found[0] != self._own_number or not 0 < found[1] <= self._number:
            raise Refused("ReceiptHandleIsInvalid")
        return found[1:]

    def _end(self, number, place, *, given_back=False):
        """Whether the message was in flight; it is not any more."""
        held = self._held.get(number, 0)
        if not held >> place & 1:
            return False
        held &= ~(1 << place)
        if held:
            self._held[number] = held
        else:
            del self._held[number]
        self.in_flight -= 1
        self._counts.in_flight -= 1
        return True
