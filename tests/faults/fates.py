"""Fates: a receiver whose messages say how they end, and what became of each."""

from collections import Counter
from dataclasses import dataclass, field

from django_sqs_kombu import Retry

from ..tally import Tally


class Flaky(Exception):
    """Passes at the next try."""


class Hopeless(Exception):
    """Raised at each try."""


class Moot(Exception):
    """The message is to be discarded."""


class Bad(Exception):
    """The message is to be a dead letter at once."""


TRIES = 3
#: Every policy, switched on.
POLICIES = {
    "retry": (
        Retry(Flaky, tries=TRIES, backoff=0),
        Retry(Hopeless, tries=TRIES, backoff=[0, 1]),
    ),
    "discard": Moot,
    "dead_letter": Bad,
}
KINDS = ("plain", "flaky", "moot", "bad", "hopeless")


@dataclass
class Fates(Tally):
    """A receiver of bodies such as ``"flaky-3"`` or ``"plain-2 0.5"``.

    :ivar ran: how often the receiver was started with each body that fails.
    :ivar discarded: how often each message was, by its id.
    :ivar buried: the bodies found in the dead-letter queue, by their number.
    :ivar healed: whether everything is received to its end now.
    """

    ran: Counter = field(default_factory=Counter)
    discarded: Counter = field(default_factory=Counter)
    buried: Counter = field(default_factory=Counter)
    healed: bool = False

    def __call__(self, message):
        body = message.get_body()
        kind = body.partition("-")[0]
        if not self.healed:
            with self.lock:
                self.ran[body] += kind in KINDS[1:]
                self.discarded[message.id] += kind == "moot"
            if kind == "flaky" and self.ran[body] == 1:
                raise Flaky(body)
            for fate in (Moot, Bad, Hopeless):
                if kind == fate.__name__.lower():
                    raise fate(body)
        super().__call__(message)

    @property
    def lost(self):
        """What SQS accepted and did not come to its end."""
        gone = {body for body in self.ran if body.startswith("moot")}
        return super().lost - gone - set(self.buried)

    @property
    def wrong(self):
        """What was run more often than its fate has it, in words."""
        with self.lock:
            twice = [message for message, count in self.discarded.items() if count > 1]
        return [f"{len(twice)} discarded twice"] if twice else []


def bodies_in(sqs, url, attributes=None):
    """The bodies of a queue's messages by their number; they are deleted.

    :param attributes: gets the message attributes of each.
    """
    found = Counter()
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in messages:
            found[message["Body"]] += 1
            if attributes is not None:
                attributes.append(message.get("MessageAttributes") or {})
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found
