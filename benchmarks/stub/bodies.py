"""Bodies: the JSON of messages that are handed out, with gaps for what differs each time."""

import base64
import hashlib
import struct
import time

from .answers import encoded, ok

#: Gaps, as long as what fills them, so that an answer's length is known beforehand.
NUMBER, NOW = "\1" * 12, "\2" * 13
#: Those of FIFO queues' messages.
GROUP, SEQUENCE, RECEIVED = "\3" * 12, "\4" * 20, "\5" * 4
#: The gaps in JSON's words, and as they stand in a template.
_GAPS = [(encoded(gap)[1:-1], gap.encode()) for gap in (NUMBER, NOW, GROUP, SEQUENCE, RECEIVED)]
_NUMBER, _NOW, _GROUP, _SEQUENCE, _RECEIVED = (raw for _, raw in _GAPS)
#: Makes receipts about as long as SQS's own.
_PADDING = "AQEB" + "0a1B/2c3D+4e5F==" * 10


class Body:
    """What a queue hands out: the text that was sent last, with its attributes.

    :param queue: the number of the queue, since receipts are unique among all queues.
    """

    def __init__(self, queue, text, attributes):
        self._queue = queue
        self.text = text
        self.attributes = attributes
        self.md5 = hashlib.md5(text.encode()).hexdigest()
        self.md5_of_attributes = _md5_of(attributes)
        self._answers = {}
        self._messages = {}

    def answer(self, number, count, names):
        """The answer *number*, with *count* messages of a standard queue.

        :param names: the attributes that were asked for, and the system attributes.
        """
        template = self._answers.get((count, names))
        if template is None:
            messages = [self._template(place, *names) for place in range(count)]
            template = ok(b'{"Messages":[' + b",".join(messages) + b"]}")
            self._answers[count, names] = template
        return _fill(template, number)

    def fifo_answer(self, number, messages, names):
        """The answer *number*, with *messages*: (group, sequence number, receives) of each."""
        parts = [
            self._fifo_template(place, names)
            .replace(_GROUP, group.name)
            .replace(_SEQUENCE, b"%020d" % sequence)
            .replace(_RECEIVED, b"%d" % received)
            for place, (group, sequence, received) in enumerate(messages)
        ]
        return ok(_fill(b'{"Messages":[' + b",".join(parts) + b"]}", number))

    def _fifo_template(self, place, names):
        template = self._messages.get((place, names))
        if template is None:
            more = {
                "ApproximateReceiveCount": RECEIVED,
                "MessageGroupId": GROUP,
                "MessageDeduplicationId": f"{GROUP}-{SEQUENCE}",
                "SequenceNumber": SEQUENCE,
            }
            template = self._messages[place, names] = self._template(place, *names, more)
        return template

    def _template(self, place, asked, system, more=None):
        attributes = {
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "SentTimestamp": NOW,
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": NOW,
            **(more or {}),
        }
        message = {
            "MessageId": f"{place:08d}-{self._queue:04d}-4000-8000-{NUMBER}",
            "ReceiptHandle": f"{_PADDING}{self._queue}-{NUMBER}-{place}",
            "MD5OfBody": self.md5,
            "Body": self.text,
        }
        if chosen := _chosen(attributes, system):
            message["Attributes"] = chosen
        if chosen := _chosen(self.attributes, asked):
            message["MessageAttributes"] = chosen
            message["MD5OfMessageAttributes"] = _md5_of(chosen)
        data = encoded(message)
        for gap, raw in _GAPS:
            data = data.replace(gap, raw)
        return data


def origin(receipt):
    """The numbers of the queue and the answer that a receipt is of, and its place in it.

    None: it is no receipt.
    """
    parts = receipt[len(_PADDING) :].split("-")
    if receipt.startswith(_PADDING) and len(parts) == 3 and all(map(str.isdecimal, parts)):
        return tuple(map(int, parts))
    return None


def _fill(template, number):
    now = time.time_ns() // 1_000_000
    return template.replace(_NUMBER, b"%012d" % number).replace(_NOW, b"%013d" % now)


def _chosen(attributes, names):
    if not names or not attributes or "All" in names or ".*" in names:
        return attributes if names else {}
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {
        name: value
        for name, value in attributes.items()
        if name in names or (prefixes and name.startswith(prefixes))
    }


def _md5_of(attributes):
    """As SQS has it: of names in order, types and values, each after its length."""
    if not attributes:
        return None
    digest = hashlib.md5()
    for name, value in sorted(attributes.items()):
        binary = "BinaryValue" in value
        data = base64.b64decode(value["BinaryValue"]) if binary else value["StringValue"].encode()
        for part in (name.encode(), value["DataType"].encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        digest.update((b"\2" if binary else b"\1") + struct.pack("!I", len(data)) + data)
    return digest.hexdigest()
