"""Base: the classes that all other errors are of."""

from __future__ import annotations

from ..printable import line


class SQSError(Exception):
    """Base class of every error of this library.

    Its text is one line of limited length, whatever a message or a server puts into it.
    """

    #: The message group of what could not be made into a message; None: that is not known.
    message_group: str | None = None

    def __str__(self) -> str:
        # KeyError, which UnknownQueue also is, would print the repr of its text.
        return line(str(self.args[0])) if self.args else type(self).__name__


class ConfigurationError(SQSError, ValueError):
    """An invalid registration or option, found before any request."""


class NotTriedAgain(SQSError):
    """A failure that another try cannot fix; ``retry=`` does not apply to it."""


class PassesSoon(Exception):
    """What was in the way is gone at once, most likely: the message is tried again soon.

    That is after a tenth of the backoff that it would have waited for otherwise.
    """


class EnvironmentFailure(SQSError):
    """The library's own work failed because of its environment: S3, SQS, a database, threads.

    It is never the message's fault, and not counted as its failure: it is tried again later.
    """
