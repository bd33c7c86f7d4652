"""Requests: SQS refused one, or gave no answer."""

from __future__ import annotations

from .base import SQSError


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
