"""SendingConnection: what a process sends over, opened when it is first needed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import kombu

from ..exceptions import ConfigurationError
from ..posix import in_forked_children

_all: weakref.WeakSet[SendingConnection] = weakref.WeakSet()
#: In a forked child: what its parent sends over. Kept, so that nothing here closes it.
_parents: list[Any] = []


def connection_to(url: str, options: Mapping[str, Any]) -> kombu.Connection:
    """A connection to the broker of this URL.

    :raises ConfigurationError: the URL cannot be read.
    """
    try:
        return kombu.Connection(url, transport_options=options)
    except ValueError:
        # Its text shows a part of the secret.
        raise ConfigurationError(
            "The broker URL cannot be read. Percent-encode the keys in it "
            "(urllib.parse.quote(secret, safe='')), or leave them to boto3: sqs-batch://"
        ) from None


class SendingConnection:
    """A connection for sending, shared by all threads of a process.

    A forked child has one of its own: it neither writes to its parent's sockets nor closes
    them, and waits for no lock whose holder is a thread that only its parent has.

    :param connect: makes a new connection.
    """

    def __init__(self, connect: Callable[[], kombu.Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        #: Channel and producer; written under the lock.
        self._open: tuple[Any, kombu.Producer] | None = None
        _all.add(self)

    def open(self) -> tuple[Any, kombu.Producer]:
        """The channel and its producer.

        :raises ConfigurationError: the connection has a transport that is not ours.
        """
        if (opened := self._open) is not None:
            return opened
        with self._lock:
            if self._open is None:
                channel = self._connect().default_channel
                if not hasattr(channel, "declare_lazily"):
                    raise ConfigurationError(
                        "Receivers needs a connection with this library's transport: a URL "
                        "that begins with sqs-batch://, or "
                        'Connection(..., transport="django_sqs_kombu.transport:Transport")'
                    )
                self._open = channel, kombu.Producer(channel)
            return self._open

    def close(self) -> None:
        """Close the connection; the next :meth:`open` opens another."""
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None:
            opened[0].connection.client.close()

    def forget_parents(self) -> None:
        """Start as if nothing had been opened; called in a forked child."""
        if self._open is not None:
            _parents.append(self._open)
        self._open = None
        self._lock = threading.Lock()


def _after_fork_in_child() -> None:
    for connection in list(_all):
        connection.forget_parents()


in_forked_children(_after_fork_in_child)
