"""SQS, pretended: standard and FIFO queues, leases, long polls, and a network that may fail."""

import hashlib
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from .world import BEGIN, EPOCH

URL = "http://127.0.0.1:1"
OWNER = "000000000000"


@dataclass
class Weather:
    """What the network and SQS do to requests: shares of them, and seconds.

    :ivar lost: never come to SQS.
    :ivar answer_lost: SQS does them, and its answer never comes.
    :ivar throttled: SQS refuses them, for now.
    :ivar entry: SQS refuses an entry of a batch, for now.
    :ivar slow: take up to *slowest* seconds, each way.
    """

    latency: float = 0.05
    lost: float = 0.0
    answer_lost: float = 0.0
    throttled: float = 0.0
    entry: float = 0.0
    slow: float = 0.0
    slowest: float = 0.0


@dataclass(eq=False)
class Message:
    id: str
    body: str
    group: str | None
    deduplication: str | None
    attributes: dict
    sent_at: float
    visible_at: float
    receives: int = 0
    receipt: str | None = None
    deleted: bool = False
    dead: bool = False

    @property
    def there(self):
        return not (self.deleted or self.dead)


@dataclass(eq=False)
class Queue:
    name: str
    visibility_timeout: int = 30
    max_receives: int | None = None
    messages: list = field(default_factory=list)
    polls: list = field(default_factory=list)
    tags: dict = field(default_factory=dict)

    @property
    def fifo(self):
        return self.name.endswith(".fifo")


@dataclass(eq=False)
class Poll:
    params: dict
    answer: object


class SQS:
    """What requests come to.

    :ivar made: how many came, by operation.
    :ivar heard: called with each message that is sent.
    :ivar buried: what was received too often, or sent to dead letters.
    """

    def __init__(self, world, weather):
        self.world, self.weather = world, weather
        self.queues = {}
        self.made, self.buried = Counter(), []
        self.heard = lambda message: None
        self._numbers = itertools.count(1)

    def url(self, name):
        return f"{URL}/{OWNER}/{name}"

    def queue(self, name, **attributes):
        if name not in self.queues:
            self.queues[name] = Queue(name, **attributes)
        return self.queues[name]

    def left(self):
        """All messages that are there."""
        return [m for queue in self.queues.values() for m in queue.messages if m.there]

    # The network.

    def request(self, operation, params, tell, patience):
        """Bring a request here, and its answer, or an error of botocore's, to *tell*."""
        self.made[operation] += 1
        world, weather = self.world, self.weather
        chance = world.rng.random()
        if chance < weather.lost:
            seconds = world.rng.choice([0.01, patience])
            world.after(seconds, lambda: tell(ConnectTimeoutError(endpoint_url=URL)))
            return
        chance -= weather.lost
        if chance < weather.throttled:
            world.after(self.latency(), lambda: tell(_error(operation, "RequestThrottled")))
            return
        keeps_answer = chance - weather.throttled < weather.answer_lost
        told = []

        def once(result):
            if not told:
                told.append(result)
                tell(result)

        def answer(result):
            if not keeps_answer:
                world.after(self.latency(), lambda: once(result))

        world.after(patience, lambda: once(ReadTimeoutError(endpoint_url=URL)))
        world.after(self.latency(), lambda: self._arrive(operation, params, answer))

    def latency(self):
        """Seconds that a request takes, one way."""
        rng, weather = self.world.rng, self.weather
        if rng.random() < weather.slow:
            return rng.uniform(0.5, weather.slowest)
        return rng.uniform(0.001, weather.latency)

    def _arrive(self, operation, params, answer):
        queue = self.queue(params["QueueUrl"].rpartition("/")[2]) if "QueueUrl" in params else None
        if operation != "ReceiveMessage":
            answer(getattr(self, operation)(queue, params))
            return
        poll = Poll(params, answer)
        queue.polls.append(poll)
        self.world.after(params["WaitTimeSeconds"], lambda: self._expire(queue, poll))
        self._serve(queue)

    # Operations, by their names in SQS.

    def GetQueueUrl(self, queue, params):  # noqa: N802
        return {"QueueUrl": self.url(params["QueueName"])}

    def ListQueueTags(self, queue, params):  # noqa: N802
        return {"Tags": dict(queue.tags)}

    def TagQueue(self, queue, params):  # noqa: N802
        queue.tags |= params["Tags"]
        return {}

    def GetQueueAttributes(self, queue, params):  # noqa: N802
        arn = f"arn:aws:sqs:us-east-1:{OWNER}"
        attributes = {
            "VisibilityTimeout": str(queue.visibility_timeout),
            "MessageRetentionPeriod": "345600",
            "QueueArn": f"{arn}:{queue.name}",
        }
        if queue.max_receives is not None:
            redrive = {
                "maxReceiveCount": queue.max_receives,
                "deadLetterTargetArn": f"{arn}:dead",
            }
            attributes["RedrivePolicy"] = json.dumps(redrive)
        return {"Attributes": attributes}

    def SendMessage(self, queue, params):  # noqa: N802
        message = self.send(
            queue.name,
            params["MessageBody"],
            group=params.get("MessageGroupId"),
            deduplication=params.get("MessageDeduplicationId"),
            delay=params.get("DelaySeconds", 0),
            attributes=params.get("MessageAttributes") or {},
        )
        return {"MessageId": message.id, "MD5OfMessageBody": _md5(message.body)}

    def SendMessageBatch(self, queue, params):  # noqa: N802
        sent = [{"Id": e["Id"], **self.SendMessage(queue, e)} for e in params["Entries"]]
        return {"Successful": sent, "Failed": []}

    def DeleteMessage(self, queue, params):  # noqa: N802
        return self._settle_one("DeleteMessage", queue, params)

    def ChangeMessageVisibility(self, queue, params):  # noqa: N802
        return self._settle_one("ChangeMessageVisibility", queue, params)

    def DeleteMessageBatch(self, queue, params):  # noqa: N802
        return self._settle_several(queue, params["Entries"], deletes=True)

    def ChangeMessageVisibilityBatch(self, queue, params):  # noqa: N802
        return self._settle_several(queue, params["Entries"], deletes=False)

    # Messages.

    def send(self, name, body, *, group=None, deduplication=None, delay=0, attributes=None):
        queue, now = self.queue(name), self.world.now
        for each in queue.messages:
            if deduplication and each.deduplication == deduplication and each.sent_at > now - 300:
                return each
        message = Message(
            f"m{next(self._numbers)}",
            body,
            group,
            deduplication,
            attributes or {},
            now,
            now + delay,
        )
        queue.messages.append(message)
        self.heard(message)
        if name.startswith("dead"):
            self.buried.append(message)
        self.world.say("sent", message.id, body[:40])
        self._serve_at(queue, message.visible_at)
        return message

    def settle(self, queue, receipt, seconds):
        """Delete a message (*seconds* is None), or hide it for so long; return SQS's error code."""
        named = receipt.partition("|")[0]
        message = next((m for m in queue.messages if m.id == named and not m.dead), None)
        if message is None:
            return "ReceiptHandleIsInvalid"
        if message.deleted:
            return None if seconds is None else "InvalidParameterValue"
        ours = message.receipt == receipt and message.visible_at > self.world.now
        if not ours and (queue.fifo or seconds is not None):
            return "InvalidParameterValue" if queue.fifo else "MessageNotInflight"
        if seconds is not None:
            message.visible_at = self.world.now + seconds
            self.world.say("hidden", message.id, seconds)
            self._serve_at(queue, message.visible_at)
        elif message.receipt == receipt:
            message.deleted = True
            self.world.say("deleted", message.id)
            self._serve_at(queue, self.world.now)
        return None

    def receive(self, queue, most, seconds):
        """Up to *most* visible messages, as ReceiveMessage returns them, hidden from now on."""
        received = []
        for message in self._visible(queue)[:most]:
            if queue.max_receives is not None and message.receives >= queue.max_receives:
                message.dead = True
                self.buried.append(message)
                self.world.say("dead", message.id)
                continue
            message.receives += 1
            message.receipt = f"{message.id}|{next(self._numbers)}"
            message.visible_at = self.world.now + seconds
            self.world.say("received", message.id, message.receives)
            self._serve_at(queue, message.visible_at)
            received.append(_received(message))
        return received

    def _visible(self, queue):
        rng, now = self.world.rng, self.world.now
        there = [m for m in queue.messages if m.there]
        if not queue.fifo:
            visible = [m for m in there if m.visible_at <= now]
            rng.shuffle(visible)
            # SQS asks some of its servers.
            return visible[: rng.randint(1, 30)]
        # Those behind one that is hidden are not visible either.
        hidden, visible = set(), []
        for message in there:
            if message.group not in hidden and message.visible_at <= now:
                visible.append(message)
            else:
                hidden.add(message.group)
        return visible

    def _settle_one(self, operation, queue, params):
        code = self.settle(queue, params["ReceiptHandle"], params.get("VisibilityTimeout"))
        return {} if code is None else _error(operation, code)

    def _settle_several(self, queue, entries, *, deletes):
        done, failed = [], []
        for entry in entries:
            code = "InternalError"
            if self.world.rng.random() >= self.weather.entry:
                seconds = None if deletes else entry["VisibilityTimeout"]
                code = self.settle(queue, entry["ReceiptHandle"], seconds)
            if code is None:
                done.append({"Id": entry["Id"]})
            else:
                ours = code != "InternalError"
                failed.append(
                    {"Id": entry["Id"], "Code": code, "SenderFault": ours, "Message": "its receipt"}
                )
        return {"Successful": done, "Failed": failed}

    def _expire(self, queue, poll):
        if poll in queue.polls:
            queue.polls.remove(poll)
            poll.answer({})

    def _serve_at(self, queue, when):
        self.world.at(when, lambda: self._serve(queue))

    def _serve(self, queue):
        while queue.polls:
            # Also one that its client has broken off: SQS does not notice at once.
            poll = self.world.rng.choice(queue.polls)
            params = poll.params
            seconds = params.get("VisibilityTimeout", queue.visibility_timeout)
            messages = self.receive(queue, params["MaxNumberOfMessages"], seconds)
            if not messages:
                return
            queue.polls.remove(poll)
            poll.answer({"Messages": messages})


def _received(message):
    attributes = {
        "SentTimestamp": str(int((EPOCH + message.sent_at - BEGIN) * 1000)),
        "ApproximateReceiveCount": str(message.receives),
    }
    if message.group is not None:
        attributes["MessageGroupId"] = message.group
    found = {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": _md5(message.body),
        "Attributes": attributes,
    }
    if message.attributes:
        found["MessageAttributes"] = message.attributes
    return found


def _md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _error(operation, code):
    answer = {
        "Error": {"Code": code, "Message": "its receipt"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(answer, operation)
