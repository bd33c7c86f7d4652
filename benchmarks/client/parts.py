"""What each part of a message's way costs, alone: no other thread wants the interpreter.

    python -m benchmarks.client.parts URL

prints JSON: microseconds of a message by part, the least of many rounds.  What they add up to is
what a message costs where nothing waits for anything; two threads that share one interpreter
cost more.
"""

import hashlib
import json
import os
import sys
import threading
import time
from functools import partial

import kombu

from django_sqs_kombu import ReceiverConsumer, Receivers
from django_sqs_kombu.transport.holding.held import State
from django_sqs_kombu.transport.receiving.poller import Poller
from django_sqs_kombu.working.outcomes import settle

from ..contenders.meter import PAYLOAD, REGION
from ..cores import CLIENT, pin

#: Messages of a round, rounds, and messages of a request.
COUNT, ROUNDS, BATCH = 200, 100, 10
REQUESTS = 400

RECEIVE = "a request that receives ten"
DELETE = "a request that deletes ten"
LOOKED_AT = "looked at: its form, its MD5"
HELD = "held: its state, its lease, whether it came before"
ANNOUNCED = "announced to the consumer"
TAKEN = "taken: the pace, places for others"
DECODED = "its envelope read, and its properties"
DELIVERED = "a kombu Message, QoS, Kombu's callbacks"
RECEIVED = "its message class, its context, its receiver"
SETTLED = "its outcome, its acknowledgement collected"
CONFIRMED = "its deletion confirmed"


class _Silent(Poller):
    """One that polls nothing."""

    def _step_soon(self):
        pass

    def room(self, places):
        pass


class Parts:
    """Messages that come from nowhere, on a channel whose own polls and deletes are not sent."""

    def __init__(self, url):
        self._receivers = Receivers(
            f"sqs-batch://bench:bench@{url.removeprefix('http://')}",
            transport_options={"region": REGION, "is_secure": False},
        )
        self._registered = self._receivers.register("parts", lambda message: None)
        self._receivers.send("parts", body=PAYLOAD)
        consumer = ReceiverConsumer(self._receivers)
        self._connection = consumer.connection.clone()
        self._connection.connect()
        self._channel = channel = self._connection.default_channel
        [self._consumer] = consumer.get_consumers(partial(kombu.Consumer, channel), channel)
        self._deliveries = []
        self._consumer.on_message = self._deliveries.append
        self._queue = self._consumer.queues[0].name
        self._sent = channel.requests.receive(self._queue, BATCH, 0, None)
        self._numbers = iter(range(sys.maxsize))
        self._quieten()
        self._consumer.consume()
        channel.pollers[self._queue].__class__ = _Silent

    def _quieten(self):
        keeper = self._channel.keeper
        keeper._look_soon = lambda: None
        keeper._wake = lambda due: None

    def requests(self):
        """Microseconds of a message, of both requests."""
        begin, queue = self._channel.requests, self._queue
        return {
            RECEIVE: self._request(lambda done: begin.begin_receive(queue, BATCH, 0, None, done)),
            DELETE: self._request(lambda done: begin.begin_delete_batch(queue, self._sent, done)),
        }

    def _request(self, begin, depth=16):
        left, ended = [REQUESTS], threading.Event()

        def again(result=None):
            left[0] -= 1
            begin(again) if left[0] >= 0 else ended.set()

        least = float("inf")
        for _ in range(5):
            left[0] = REQUESTS
            ended.clear()
            cpu = time.process_time()
            for _ in range(depth):
                begin(again)
            ended.wait(30)
            least = min(least, (time.process_time() - cpu) / REQUESTS)
        return least / BATCH * 1e6

    def round(self):
        """Seconds of COUNT messages by part."""
        channel, queue = self._channel, self._queue
        poller, inbox = channel.pollers[queue], channel.connection.inbox
        answers = [self._answer() for _ in range(COUNT // BATCH)]
        took = {}
        valid = _timed(took, LOOKED_AT, channel.requests._received.valid, queue, over=answers)

        def hold(came):
            return channel.intake.hold(queue, came, 30, receiver=poller)

        def announce(came):
            channel.intake.read_all(came, poller.announce)

        held = _timed(took, HELD, hold, over=valid)
        _timed(took, ANNOUNCED, announce, over=held)
        found = _timed(took, TAKEN, lambda number: inbox.next(1), over=range(COUNT))
        taken = [each for _, each in found]
        _timed(took, DECODED, channel.payload, over=taken)
        _timed(took, DELIVERED, channel.deliver, over=taken)
        deliveries = self._deliveries[:]
        self._deliveries.clear()
        registered, kombu_queue = self._registered, self._consumer.queues[0]
        attempts = _timed(
            took, RECEIVED, lambda each: registered.attempt(each, kombu_queue), over=deliveries
        )
        pairs = list(zip(deliveries, attempts, strict=True))
        _timed(took, SETTLED, lambda p: settle(registered, p[0], p[1].message, None), over=pairs)
        keeper = channel.keeper
        batches = keeper._settlements.all_ripe(time.monotonic() + 60, COUNT, hurry=True)
        _timed(took, CONFIRMED, lambda b: keeper._answered(b, [None] * BATCH), over=batches)
        assert not channel.held.all(State.SETTLING)
        return took

    def _answer(self):
        return [self._message(next(self._numbers)) for _ in range(BATCH)]

    def _message(self, number):
        body = self._sent[0]["Body"]
        return {
            **self._sent[0],
            "MessageId": f"message-{number}",
            "ReceiptHandle": f"receipt-{number}" * 10,
            "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        }


def _timed(took, part, call, *first, over):
    started = time.perf_counter()
    results = [call(*first, each) for each in over]
    took[part] = time.perf_counter() - started
    return results


def main(url):
    pin(CLIENT)
    parts = Parts(url)
    rounds = [parts.round() for _ in range(ROUNDS)]
    least = {part: min(each[part] for each in rounds) / COUNT * 1e6 for part in rounds[0]}
    requests = parts.requests()
    # Of what contains another part.
    least[DELIVERED] -= least[DECODED]
    requests[RECEIVE] -= least[LOOKED_AT]
    print(json.dumps({"parts": {**requests, **least}}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
