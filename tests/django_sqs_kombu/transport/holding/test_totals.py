"""Totals: after any steps, in any order, they count what is held in each state."""

import random
from itertools import count

import pytest

from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.table import LEAST_OPEN, HeldMessages

QUEUES = ("orders", "events", "grouped.fifo")


class Steps:
    """Takes steps at random with the messages of a table."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.table = HeldMessages()
        self.table.on_broken = self.give_back
        self.known, self.receipts = [], count()

    def give_back(self, broken):
        for held in reversed(broken):
            self.table.settle(held, delete=False)

    def receive(self):
        queue, came = self.random.choice(QUEUES), []
        for _ in range(self.random.randint(1, 10)):
            # Some come again.
            number = self.random.randint(0, 40)
            message = {
                "MessageId": f"m{number}",
                "ReceiptHandle": f"r{next(self.receipts)}",
                "Attributes": {"MessageGroupId": f"g{number % 3}"},
            }
            came.append(Held(queue, message, 60, 0.0))
        state = self.random.choice([State.WAITING, State.WAITING, State.DELIVERED])
        new = self.table.receive_all(queue, came, state)
        self.known += new
        self.table.announce(queue, new)

    def take(self):
        self.table.take(self.random.choice(QUEUES))

    def take_behind(self):
        self.table.take_behind(self.any(), self.random.randint(1, 3))

    def settle(self):
        held = self.any()
        # What waits is given back, and never deleted.
        delete = held.state is State.DELIVERED and self.random.random() < 0.7
        self.table.settle(held, delete=delete)

    def unsettle(self):
        self.table.unsettle(self.any())

    def hide(self):
        self.any().hiding = True

    def end(self):
        queue = self.any().queue
        ended = [each for each in self.known if each.queue == queue]
        ended = self.random.sample(ended, min(len(ended), 4))
        self.table.end_all(queue, ended, deleted=self.random.random() < 0.7)

    def any(self):
        return self.random.choice(self.known)


@pytest.mark.parametrize("seed", range(20))
def test_they_count_what_is_held(seed):
    steps = Steps(seed)
    table = steps.table
    names = [
        "receive",
        "take",
        "take",
        "take_behind",
        "settle",
        "settle",
        "unsettle",
        "hide",
        "end",
    ]
    steps.receive()
    for _ in range(300):
        getattr(steps, steps.random.choice(names))()

        everywhere = [0] * len(State)
        for queue in QUEUES:
            states = [each.state for each in steps.known if each.queue == queue]
            waiting, delivered, settling, _ = map(states.count, State)
            assert table.waiting(queue) == waiting
            assert table.delivered(queue) == delivered
            with table.lock:
                assert table.figures(queue)[2] == LEAST_OPEN - waiting - settling
            for state in State:
                everywhere[state] += states.count(state)
        assert (table.all_waiting, table.all_delivered) == tuple(everywhere[:2])
        assert len(table) == sum(everywhere[:3])
        assert table.all_startable == sum(map(table.startable, QUEUES))
