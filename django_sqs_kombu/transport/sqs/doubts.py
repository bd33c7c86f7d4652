"""Doubts: whether SQS may have done what an earlier try of a request has asked it for.

A request is tried several times, by us and by botocore.  Whoever hears of its last failure alone
would take for refused what the first try, whose answer was lost, may have done.
"""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError
from botocore.exceptions import ConnectionError as BotoConnectionError

from .failures import error_code
from .handshakes import is_of_handshake

#: Codes of failures in which a request did not get to SQS, or of ``SSLError`` only if the
#: handshake failed; where it did not, the try is in doubt.
NOT_REACHED = frozenset(
    {"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"}
)


class _Local(threading.local):
    doubt: Doubt | None = None


_local = _Local()


class Doubt:
    """Takes note of the tries of this thread's requests, in a block.

    :param is_there: whether there is doubt from the start.
    :ivar is_there: whether one of them may have been done, though it failed.
    """

    __slots__ = ("_outer", "is_there")

    # A class, since a generator costs three times the CPU, and each send enters one.

    def __init__(self, is_there: bool = False) -> None:
        self.is_there = is_there

    def __enter__(self) -> Doubt:
        self._outer = _local.doubt
        _local.doubt = self
        return self

    def __exit__(self, *args: object) -> None:
        _local.doubt = self._outer


def note_try(exc: object) -> None:
    """Take note that a try of this thread's request has ended in *exc*."""
    if (doubt := _local.doubt) is not None and _may_be_done(exc):
        doubt.is_there = True


def note_tries(client: Any) -> None:
    """Take note of each try that botocore makes of a request of a boto3 client."""
    client.meta.events.register_first("needs-retry.sqs", _note_try)


def _note_try(response: Any = None, caught_exception: Any = None, **kwargs: Any) -> None:
    if caught_exception is None and response is not None:
        _, parsed = response
        if "Error" not in parsed:
            return
        caught_exception = ClientError(parsed, "")
    note_try(caught_exception)


def _may_be_done(exc: object) -> bool:
    if isinstance(exc, ClientError):
        # A number is the HTTP status of a proxy's answer.
        return error_code(exc).isdigit()
    if not isinstance(exc, BotoCoreError):
        return False
    if isinstance(exc, SSLError):
        return not is_of_handshake(exc)
    no_answer = isinstance(exc, BotoConnectionError | HTTPClientError)
    return no_answer and type(exc).__name__ not in NOT_REACHED
