"""Base: the classes that all other errors are of."""

from __future__ import annotations

from typing import Any

from ..printable import line


def _again(kind: type[SQSError], args: tuple[Any, ...], state: dict[str, Any]) -> SQSError:
    """The same error in another process."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class SQSError(Exception):
    """Base class of every error of this library.

    Its text is one line of limited length, whatever a message or a server puts into it.
    """

    #: The message group of what could not be made into a message; None: that is not known.
    message_group: str | None = None

    def __str__(self) -> str:
        # KeyError, which UnknownQueue also is, would print the repr of its text.
        return line(str(self.args[0])) if self.args else type(self).__name__

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own gives the text to a constructor that takes the facts: whoever reads it
        # in another process, such as multiprocessing's Pool, waits for ever.
        return _again, (type(self), self.args, self.__dict__)


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
