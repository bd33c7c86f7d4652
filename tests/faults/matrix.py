"""Cells of the fault matrix: one fault, what it strikes, for how long, on how many threads.

A cell has a queue, a proxy and a consumer of its own, so that many run side by side.
"""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django_sqs_kombu import RawMessage, ReceiverConsumer, Receivers, SQSError

from .fates import KINDS, POLICIES, Fates, bodies_in
from .proxy import ANSWERS, FaultProxy

#: The operations of SQS that each kind of request may use.
STRUCK = {
    "receive": ("ReceiveMessage",),
    "delete": ("DeleteMessage", "DeleteMessageBatch"),
    "renew": ("ChangeMessageVisibility", "ChangeMessageVisibilityBatch"),
    "send": ("SendMessage", "SendMessageBatch"),
}
FAULTS = (
    *ANSWERS,
    "empty object",
    "list",
    "HTML",
    "half failed",
    "half throttled",
    "down",
    "reset",
    "hung",
    "cut",
    "stalled",
)
#: How late a late answer is: later than a client that waits 5 s hears.
LATE = 6.0
#: Messages of each cell that take no time, beside the long ones.
SHORT = 12
#: Messages that end in each way, where policies are switched on.
FAILING = 3
#: How messages are received, other than one by one.
SHAPES = ("coroutines", "batches")
#: Requests that a second of a fault may cost, and those that any fault may.
TRIES_PER_SECOND, TRIES = 10, 25


@dataclass(frozen=True)
class Cell:
    """One fault.

    :param seconds: it lasts so long after the first request that it strikes.
    :param threads: how many receivers run at once.
    :param policies: whether every policy is switched on, and messages fail in every way.
    :param shape: how messages are received: one by one, as coroutines that run together, or as
        batches.
    """

    fault: str
    struck: str
    seconds: float
    threads: int
    policies: bool = False
    shape: str = ""

    def __str__(self):
        with_policies = ", with policies" if self.policies else ""
        as_shape = f", as {self.shape}" if self.shape else ""
        return (
            f"{self.fault} on {self.struck} for {self.seconds:g} s, "
            f"{self.threads} thread(s){with_policies}{as_shape}"
        )

    @property
    def visibility_timeout(self):
        """Seconds, so long that a lease outlives what it is not renewed in.

        It is renewed at two thirds of them, so a third must be longer than the fault, and
        than the wait for an answer that does not come.
        """
        if self.struck == "receive" and self.fault == "stalled":
            return int(2 * LATE)
        if self.struck != "renew" and self.fault != "down":
            return 6
        silent = 6 if self.fault in ("hung", "stalled") else 0
        return int(3 * (self.seconds + silent + 2))

    @property
    def long_receivers(self):
        """Seconds that the receivers of the long messages take."""
        timeout = self.visibility_timeout
        if self.struck == "send":
            # What is sent until it is accepted is there many times where answers are lost.
            return ()
        if self.threads == 1 or timeout > 20:
            return (timeout * 1.2,)
        return (timeout * 0.5, timeout * 1.2, timeout * 2.2)


class Trial:
    """A cell's run.

    :param sqs: a client of the server, past the proxy.
    :param port: the server's port.
    :param name: the queue's name, of this cell alone.
    """

    def __init__(self, cell, sqs, port, name):
        self.cell = cell
        self.tally = Fates()
        self._sqs = sqs
        self._url = sqs.create_queue(
            QueueName=name, Attributes={"VisibilityTimeout": str(cell.visibility_timeout)}
        )["QueueUrl"]
        self._name = name
        self._surprises = []
        self._proxy = FaultProxy(port)
        self._receivers = Receivers(
            "sqs-batch://testing:testing-secret@",
            visibility_timeout=cell.visibility_timeout,
            poll_period=1,
            wire_format="raw",
            transport_options={"endpoint_url": self._proxy.url, "region": "us-east-1"},
        )
        policies = POLICIES | {"dead_letter_queue": f"{name}-dead"} if cell.policies else {}
        receiver, shape = shaped(self.tally, cell)
        self._consuming = {"threads": cell.threads}
        if cell.shape == "coroutines":
            self._consuming["coroutines"] = 4 * cell.threads
        self._queue = self._receivers.register(
            name, receiver, message_class=RawMessage, **policies, **shape
        )
        self._dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]

    def run(self):
        """Run it; return what went wrong, in words."""
        cell = self.cell
        bodies = [f"short-{number} 0" for number in range(SHORT)]
        bodies += [f"long-{seconds:g} {seconds}" for seconds in cell.long_receivers]
        if cell.policies:
            bodies += [f"{kind}-{number}" for kind in KINDS for number in range(FAILING)]
        consumer = ReceiverConsumer(self._receivers, [self._queue], **self._consuming)
        running = threading.Thread(target=consumer.run, name=f"consumer {cell}", daemon=True)
        if cell.struck != "send":
            self._send_directly(bodies)
        self._proxy.set(cell.fault, *STRUCK[cell.struck], seconds=cell.seconds, late=LATE)
        try:
            running.start()
            if cell.struck == "send":
                self._send_until_accepted(bodies)
            self._wait_until_empty()
            self.tally.buried += bodies_in(self._sqs, self._dead)
            consumer.stop()
            running.join(15)
            return self._complaints(running)
        finally:
            consumer.stop()
            self._receivers.close()
            self._proxy.stop()

    def _send_directly(self, bodies):
        for start in range(0, len(bodies), 10):
            batch = bodies[start : start + 10]
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(batch)]
            answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
            assert len(answer["Successful"]) == len(batch)
        self.tally.accepted.update(bodies)

    def _send_until_accepted(self, bodies):
        """Half with send_many, and the others by threads that send at the same time."""
        many, single = bodies[::2], bodies[1::2]
        with ThreadPoolExecutor(len(single) + 1) as pool:
            for done in [
                pool.submit(self._until_accepted, self._queue.send_many, many, many),
                *(
                    pool.submit(self._until_accepted, self._queue.send, None, [body], body=body)
                    for body in single
                ),
            ]:
                done.result()

    def _until_accepted(self, send, argument, bodies, **options):
        deadline = time.monotonic() + self.cell.seconds + 60
        while True:
            try:
                send(argument, **options)
            except Exception as exc:
                if not isinstance(exc, SQSError):
                    self._surprises.append(f"send raised {exc!r}")
                if time.monotonic() > deadline:
                    self._surprises.append(f"never accepted: {exc!r}")
                    return
                # What is sent once more may be there twice, each a message of its own.
                time.sleep(0.2)
            else:
                with self.tally.lock:
                    self.tally.accepted.update(bodies)
                return

    def _wait_until_empty(self):
        cell = self.cell
        deadline = time.monotonic() + 60 + cell.seconds + 4 * cell.visibility_timeout
        while time.monotonic() < deadline and (self._left() or self._unfinished()):
            time.sleep(0.5)

    def _unfinished(self):
        # What is dead is looked at in the end.
        return {body for body in self.tally.lost if not body.startswith(("bad", "hopeless"))}

    def _left(self):
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["All"])
        return sum(
            int(answer["Attributes"][f"ApproximateNumberOfMessages{kind}"])
            for kind in ("", "NotVisible", "Delayed")
        )

    def _complaints(self, running):
        cell, tally, found = self.cell, self.tally, self._surprises[:3]
        if tally.lost:
            found.append(f"{len(tally.lost)} lost: {sorted(tally.lost)}")
        if tally.twice:
            found.append(f"{len(tally.twice)} of {len(tally.starts)} run twice")
        found += tally.wrong
        doubled = {body for body, count in tally.buried.items() if count > 1}
        # Where the answer to a send is lost, it is there, and sent again.
        if doubled and cell.struck != "send":
            found.append(f"{len(doubled)} buried twice")
        if left := self._left():
            found.append(f"{left} left in the queue")
        if not self._proxy.tried:
            found.append("the fault struck nothing")
        # Those who send are the test's, and do not rest.
        most = TRIES + TRIES_PER_SECOND * cell.seconds
        if cell.struck != "send" and self._proxy.tried > most:
            found.append(f"{self._proxy.tried} requests while it was broken")
        if running.is_alive():
            found.append("the consumer did not stop")
        found += [f"beyond a limit: {reason}" for _, reason in self._proxy.violations[:1]]
        return found


def shaped(tally, cell):
    """A receiver that runs *tally* in the shape of a cell, and its queue's options."""
    if cell.shape == "coroutines":

        async def receive(message):
            await asyncio.to_thread(tally, message)

        return receive, {}
    if cell.shape == "batches":

        def receive_all(messages):
            for message in messages:
                try:
                    tally(message)
                except Exception as exc:
                    message.fail(exc)

        return receive_all, {"batch": 10, "wait": 0.2}
    return tally, {}


def cells(struck, *, whole):
    """The cells of what strikes *struck*: all, or each fault once.

    :param whole: with 20 s, and each duration with 1 and 4 threads.
    """
    # Only batches can fail in part.
    faults = [fault for fault in FAULTS if struck != "receive" or not fault.startswith("half")]
    if whole:
        alone = [
            Cell(fault, struck, seconds, threads, policies)
            for policies in (False, True)
            for seconds in (20, 2, 0.3)
            for fault in faults
            for threads in (1, 4)
        ]
        shapes = [
            Cell(fault, struck, 2, 1, policies=True, shape=shape)
            for shape in SHAPES
            for fault in faults
        ]
        return alone + shapes
    turn = list(STRUCK).index(struck)
    return [
        Cell(
            fault,
            struck,
            (0.3, 2)[(number + turn) % 2],
            (1, 4)[(number // 2 + turn) % 2],
            policies=(number // 4 + turn) % 2 == 0,
            shape=("", *SHAPES)[(number + turn) % 3],
        )
        for number, fault in enumerate(faults)
    ]
