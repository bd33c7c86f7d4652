"""Service: SQS's operations, as far as clients of a full queue need them."""

import json
import re

from .answers import NOTHING, Refused, encoded, no_queue, ok
from .control import control
from .counts import Counts
from .fifo import FifoQueue
from .queues import Poll, Queue

_TARGET = re.compile(rb"AmazonSQS\.(\w+)")
_ACCOUNT = "000000000000"


class Service:
    """All queues, and what is counted of them.

    :ivar latency: seconds that are added to each request.
    :ivar url: its own address.
    """

    def __init__(self, latency=0.0):
        self.latency = latency
        self.url = ""
        self.counts = Counts()
        self.queues = {}

    def handle(self, connection, head, body):
        """Answer a request, at once or later."""
        target = _TARGET.search(head)
        if target is None:
            connection.answer(control(self, head), at_once=True)
            return
        operation = target[1].decode()
        self.counts.requests[operation] += 1
        self.counts.bytes += len(head) + len(body)
        try:
            handler = _OPERATIONS.get(operation)
            if handler is None:
                raise Refused("InvalidAction")
            answer = handler(self, json.loads(body or b"{}"), connection)
        except Refused as exc:
            answer = exc.answer()
        if answer is not None:
            connection.answer(answer)

    def existing(self, name):
        """The queue of this name, or of this URL.

        :raises Refused: there is none.
        """
        queue = self.queues.get(name.rpartition("/")[2])
        if queue is None:
            raise no_queue()
        return queue

    def create(self, name, attributes):
        """Make a queue, unless there is one of this name."""
        if name not in self.queues:
            make = FifoQueue if name.endswith(".fifo") else Queue
            self.queues[name] = make(name, len(self.queues) + 1, attributes, self.counts)

    def _receive(self, asked, connection):
        queue = self.existing(asked["QueueUrl"])
        self.counts.polled(queue.name)
        connection.begin_poll()
        names = (
            tuple(asked.get("MessageAttributeNames") or ()),
            tuple(asked.get("MessageSystemAttributeNames") or asked.get("AttributeNames") or ()),
        )
        most = asked.get("MaxNumberOfMessages", 1)
        answer = queue.take(most, names)
        if answer is not None:
            return answer
        seconds = asked.get("WaitTimeSeconds", 0)
        if not seconds:
            return NOTHING
        poll = Poll(queue, connection, most, names)
        queue.waiting[poll] = None
        connection.wait(seconds, poll)
        return None

    def _send(self, asked, connection):
        return ok(encoded(self.existing(asked["QueueUrl"]).accept(asked)))

    def _send_batch(self, asked, connection):
        queue = self.existing(asked["QueueUrl"])
        entries = _entries(asked)
        done = [{"Id": entry["Id"], **queue.accept(entry)} for entry in entries]
        return ok(encoded({"Successful": done, "Failed": []}))

    def _delete(self, asked, connection):
        queue = self.existing(asked["QueueUrl"])
        queue.delete(asked["ReceiptHandle"])
        queue.serve()
        return NOTHING

    def _delete_batch(self, asked, connection):
        return self._batch(asked, lambda queue, entry: queue.delete(entry["ReceiptHandle"]))

    def _change(self, asked, connection):
        queue = self.existing(asked["QueueUrl"])
        queue.change_visibility(asked["ReceiptHandle"], asked["VisibilityTimeout"])
        queue.serve()
        return NOTHING

    def _change_batch(self, asked, connection):
        return self._batch(
            asked,
            lambda queue, entry: queue.change_visibility(
                entry["ReceiptHandle"], entry.get("VisibilityTimeout", 0)
            ),
        )

    def _batch(self, asked, act):
        queue = self.existing(asked["QueueUrl"])
        done, failed = [], []
        for entry in _entries(asked):
            try:
                act(queue, entry)
                done.append({"Id": entry["Id"]})
            except Refused as exc:
                failed.append({"Id": entry["Id"], "Code": exc.code, "SenderFault": True})
        queue.serve()
        return ok(encoded({"Successful": done, "Failed": failed}))

    def _create(self, asked, connection):
        name = asked["QueueName"]
        self.create(name, asked.get("Attributes") or {})
        return ok(encoded({"QueueUrl": self._url(name)}))

    def _get_url(self, asked, connection):
        return ok(encoded({"QueueUrl": self._url(self.existing(asked["QueueName"]).name)}))

    def _list(self, asked, connection):
        prefix = asked.get("QueueNamePrefix") or ""
        urls = [self._url(name) for name in self.queues if name.startswith(prefix)]
        return ok(encoded({"QueueUrls": urls}))

    def _get_attributes(self, asked, connection):
        queue = self.existing(asked["QueueUrl"])
        names = asked.get("AttributeNames") or ()
        attributes = {
            "QueueArn": f"arn:aws:sqs:us-east-1:{_ACCOUNT}:{queue.name}",
            "ApproximateNumberOfMessages": str(min(queue.left, 1_000_000)),
            "ApproximateNumberOfMessagesNotVisible": str(queue.in_flight),
            "ApproximateNumberOfMessagesDelayed": "0",
            "VisibilityTimeout": "30",
            **queue.attributes,
        }
        chosen = {k: v for k, v in attributes.items() if k in names or "All" in names}
        return ok(encoded({"Attributes": chosen}))

    def _tags(self, asked, connection):
        self.existing(asked["QueueUrl"])
        return NOTHING

    def _set_attributes(self, asked, connection):
        self.existing(asked["QueueUrl"]).attributes.update(asked["Attributes"])
        return NOTHING

    def _url(self, name):
        return f"{self.url}/{_ACCOUNT}/{name}"


def _entries(asked):
    entries = asked.get("Entries") or ()
    if not 0 < len(entries) <= 10:
        raise Refused("EmptyBatchRequest" if not entries else "TooManyEntriesInBatchRequest")
    return entries


_OPERATIONS = {
    "ReceiveMessage": Service._receive,
    "DeleteMessage": Service._delete,
    "DeleteMessageBatch": Service._delete_batch,
    "ChangeMessageVisibility": Service._change,
    "ChangeMessageVisibilityBatch": Service._change_batch,
    "SendMessage": Service._send,
    "SendMessageBatch": Service._send_batch,
    "CreateQueue": Service._create,
    "GetQueueUrl": Service._get_url,
    "GetQueueAttributes": Service._get_attributes,
    "ListQueueTags": Service._tags,
    "SetQueueAttributes": Service._set_attributes,
    "ListQueues": Service._list,
}
