"""Every exception and warning of the library, with its facts as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .printable import line, meant, overrun
from .restarts import MOST_CURSOR as MOST_CURSOR
from .restarts import Continue as Continue
from .restarts import RestartLater as RestartLater


class TimedOut(Exception):
    """Raised inside a receiver that runs longer than its ``timeout``.

    :param seconds: the time limit that was exceeded.
    :param ran: how many seconds it has run in the end; None: not known.
    """

    def __init__(self, seconds: float | None = None, ran: float | None = None) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.ran = ran

    def __str__(self) -> str:
        return overrun(self.seconds, self.ran)


class UnknownSuffixWarning(RuntimeWarning):
    """A queue name suffix was used that the queue was not registered with."""


class SQSError(Exception):
    """Base class of every error of this library.

    Its text is one line of limited length, whatever a message or a server puts into it.
    """

    def __str__(self) -> str:
        # KeyError, which UnknownQueue also is, would print the repr of its text.
        return line(str(self.args[0])) if self.args else type(self).__name__


class ConfigurationError(SQSError, ValueError):
    """An invalid registration or option, found before any request."""


class QueueNameError(ConfigurationError):
    """A queue name that SQS would refuse.

    :ivar name: the full name, including prefix and suffix.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Illegal SQS queue name {name!r}: {reason}")
        self.name = name


class UnknownQueue(SQSError, KeyError):
    """A queue name that was never registered.

    :ivar name: the name asked for.
    :ivar known: the registered names.
    """

    def __init__(self, name: str, known: tuple[str, ...], cause: str = "") -> None:
        super().__init__(
            f"No queue {name!r} is registered (registered: {', '.join(sorted(known)) or 'none'})."
            f"{meant(name, known)} Register queues with @receiver(...) or register(...) in a "
            f"module that is imported, such as receivers.py{cause}."
        )
        self.name = name
        self.known = known


class NoReceiver(SQSError):
    """A queue that is registered only for sending was asked to receive.

    :ivar name: the queue's name.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Queue {name!r} has no receiver: it was registered for sending only. "
            "Give register() a function, or decorate one with @receiver."
        )
        self.name = name


class WrongMessageClass(SQSError, ValueError):
    """A message was sent that is not of the queue's message class."""

    def __init__(self, queue: str, message: object, expected: type) -> None:
        super().__init__(
            f"{message!r} is not an instance of {expected.__module__}.{expected.__qualname__}, "
            f"the message class of queue {queue!r}. To send a value, give it as body=..."
        )
        self.queue = queue
        self.expected = expected


class MessageEncodeError(SQSError, ValueError):
    """A value that its message class cannot write."""


class MessageDecodeError(SQSError, ValueError):
    """A body that its message class cannot read.

    :ivar kind: the class of the exception while reading it, if that says nothing about the body
        itself; its cause may be temporary, such as an unavailable database.
    """

    def __init__(self, text: str = "", *, kind: type[BaseException] | None = None) -> None:
        super().__init__(text)
        self.kind = kind


class NotTriedAgain(SQSError):
    """A failure that another try cannot fix; ``retry=`` does not apply to it."""


class KilledItsProcess(NotTriedAgain):
    """A message in whose receiver several processes have died.

    :ivar deaths: how many.
    """

    def __init__(self, deaths: int) -> None:
        super().__init__(
            f"{deaths} processes died while they handled this message, so it is not tried again"
        )
        self.deaths = deaths


class ReceiverReturnedGenerator(SQSError, TypeError):
    """A receiver returned a generator, so none of it has run.

    :ivar queue: the queue's name.
    """

    def __init__(self, queue: str, receiver: object) -> None:
        name = getattr(receiver, "__qualname__", repr(receiver))
        super().__init__(
            f"The receiver {name} of queue {queue!r} returned a generator, so none of it has run. "
            "Remove its yield, or make the receiver a function that loops over the generator."
        )
        self.queue = queue


class ReceiverFailed(SQSError):
    """Replaces an exception of a receiver in another process that could not be sent here.

    :ivar kind: its class, or the closest base class that is known here.
    """

    def __init__(self, text: str, kind: type[BaseException] | None = None) -> None:
        super().__init__(text, kind)
        self.kind = kind


def kind_of(raised: BaseException) -> type[BaseException]:
    """The class of what was raised; of what was raised in another process, too."""
    if isinstance(raised, ReceiverFailed) and raised.kind is not None:
        return raised.kind
    return type(raised)


class EnvironmentFailure(SQSError):
    """The library's own work failed because of its environment: S3, SQS, a database, threads.

    It is never the message's fault, and not counted as its failure: it is tried again later.
    """


class PayloadUnavailable(EnvironmentFailure):
    """A payload in S3 cannot be read at the moment; its message is tried again later."""


class MessageTargetMissing(MessageDecodeError):
    """What a message refers to does not exist (yet): a row, a model, a function.

    Another process, or a version of the program that is being rolled out, may have it, so the
    message is tried again for a few receives before it counts as a failure.
    """


class MessageTooLarge(MessageEncodeError):
    """A message over the limit of SQS (1 MiB), found before any request.

    :ivar size: its size in bytes.
    :ivar limit: the limit in bytes.
    """

    def __init__(self, queue: str, size: int, limit: int) -> None:
        super().__init__(
            f"A message of {size:,} bytes for queue {queue!r} exceeds SQS's limit ({limit:,} "
            "bytes). Set a bucket for large payloads (SQS_LARGE_PAYLOAD_BUCKET, transport option "
            "large_payload_bucket), or send a reference, as BigMessage does."
        )
        self.queue = queue
        self.size = size
        self.limit = limit


class TooOldToSendAgain(NotTriedAgain):
    """A message that would have expired in its queue by now if it had not been sent again.

    :ivar retention: seconds that the queue keeps a message.
    """

    def __init__(self, queue: str, message_id: str, retention: float) -> None:
        super().__init__(
            f"Message {message_id} of queue {queue!r} is not sent again: by then it would be "
            f"older than the {retention:,g} s for which its queue keeps a message"
        )
        self.queue = queue
        self.message_id = message_id
        self.retention = retention


class PayloadNotWritten(MessageEncodeError, EnvironmentFailure):
    """A payload that S3 did not accept: nothing is wrong with its message."""


class RequestFailed(SQSError):
    """SQS answered a request with an error.

    :ivar operation: the name of the API call, such as ``"SendMessage"``.
    :ivar queue: the queue's full name.
    :ivar code: the error code of SQS, or the name of botocore's exception.
    :ivar request_id: SQS's id of the request, for AWS support; None: no answer, or it had none.
    """

    #: Whether failures of this class can pass, where nothing else is said.
    _passes = False
    #: Whether it is another request's: this one was not made for it.
    untried = False
    #: Whether SQS may have done it all the same: an earlier try of it was not answered.
    in_doubt = False

    def __init__(
        self,
        text: str,
        *,
        operation: str,
        queue: str,
        code: str,
        lost: bool = False,
        passing: bool | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(text)
        self.request_id = request_id
        self.operation = operation
        self.queue = queue
        self.code = code
        self._lost = lost
        self._passing = self._passes if passing is None else passing

    def __str__(self) -> str:
        text = super().__str__()
        if self.request_id is None:
            return text
        stop = "." if text.endswith(".") else ""
        return f"{text.removesuffix('.')} (request {self.request_id}){stop}"

    @property
    def lost(self) -> bool:
        """Whether the receipt handle is used up: the message is gone, or another's."""
        return self._lost

    @property
    def passing(self) -> bool:
        """Whether the cause may be temporary, so that trying again makes sense."""
        return self._passing and not self._lost

    def copy(self) -> RequestFailed:
        """The same failure, to be raised in another thread."""
        copied = type(self).__new__(type(self), *self.args)
        copied.__dict__.update(self.__dict__)
        copied.__cause__ = self.__cause__
        return copied


class QueueDoesNotExist(RequestFailed):
    """The queue does not exist, and creating queues is switched off."""


class QueueNotPredefined(QueueDoesNotExist):
    """Only predefined queues may be used (``predefined_queues``), and this is not one of them."""


class AccessDenied(RequestFailed):
    """The credentials are not allowed to do this, or are not valid."""


class ClockIsOff(AccessDenied):
    """The clock of this machine is wrong, so SQS refuses its signatures.

    :ivar seconds: by how many seconds it is ahead of SQS's; negative: behind.
    """

    _passes = True  # The network corrects it, perhaps a while after the machine's start.
    seconds: float = 0.0


class CredentialsMissing(RequestFailed):
    """There are no credentials: boto3's chain found none, or could not get any now."""

    _passes = True  # A metadata service, or STS, may be away for a moment.


class EndpointUnreachable(RequestFailed):
    """No answer from SQS: a wrong endpoint, no network, or a server that is down."""

    _passes = True


@dataclass(frozen=True, slots=True)
class SendFailure:
    """A message of send_many that was not accepted.

    :param number: its place among the items, from 0.
    :param item: the item as it was given.
    :param error: why.
    """

    number: int
    item: Any
    error: SQSError


class SendManyFailed(SQSError):
    """Some messages of send_many were not accepted; all others were, once.

    If the iterable of items raised, that exception is its ``__cause__``.

    :ivar sent: how many were accepted.
    :ivar failures: a :class:`SendFailure` for each of the others that were tried.
    :ivar untried_from: if a whole request failed or the items could not be read further, the
        number of the first item that was not tried; otherwise None.
    """

    def __init__(
        self,
        queue: str,
        sent: int,
        failures: Sequence[SendFailure],
        untried_from: int | None,
        reason: Exception | None = None,
    ) -> None:
        text = f"Messages for queue {queue!r}: {len(failures)} not accepted, {sent} accepted."
        if failures:
            text += f" The first refused is item {failures[0].number}: {failures[0].error}"
        if untried_from is not None:
            text += f" Items from {untried_from} on were not tried."
        if reason is not None:
            text += f" It was interrupted by {reason!r}."
        super().__init__(text)
        self.queue = queue
        self.sent = sent
        self.failures = list(failures)
        self.untried_from = untried_from


@dataclass(frozen=True, slots=True)
class BatchFailure(SendFailure):
    """A message of a ``batch()`` that was not accepted; its item is its text.

    :param queue: the name of its queue in SQS.
    """

    queue: str


class BatchFailed(SQSError):
    """Some messages of a ``batch()`` were not accepted at its end; all others were, once.

    :ivar sent: how many were accepted.
    :ivar failures: a :class:`BatchFailure` for each of the others.
    """

    def __init__(self, sent: int, failures: Sequence[BatchFailure]) -> None:
        queues = ", ".join(dict.fromkeys(failure.queue for failure in failures))
        super().__init__(
            f"Messages of a batch(): {len(failures)} not accepted (queues: {queues}), {sent} "
            f"accepted. The first refused is message {failures[0].number}: {failures[0].error}"
        )
        self.sent = sent
        self.failures = list(failures)


class BatchDropped(SQSError):
    """A message was not sent, because its ``batch()`` ended with an exception."""


class BatchInterrupted(SQSError):
    """The end of a ``batch()`` was interrupted while it sent a message: SQS may have it."""
