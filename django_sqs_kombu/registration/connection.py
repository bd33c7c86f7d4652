"""SendingConnection: what a process sends over, opened when it is first needed."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import kombu

from ..exceptions import ConfigurationError
from ..posix import in_forked_children
from ..rules import shown

_all: weakref.WeakSet[SendingConnection] = weakref.WeakSet()
#: In a forked child: what its parent sends over. Kept, so that nothing here closes it.
_parents: list[Any] = []


def connection_to(origin: str | kombu.Connection, options: Mapping[str, Any]) -> kombu.Connection:
    """A new connection to a broker.

    :param origin: its URL, or a connection to it, whose own options win over *options*.
    :raises ConfigurationError: the URL cannot be read, or the transport is not this library's.
    """
    if isinstance(origin, kombu.Connection):
        connection = origin.clone()
        connection.transport_options = {**options, **connection.transport_options}
    else:
        connection = _of_url(origin, options)
    try:
        transport = connection.get_transport_cls()
    except (KeyError, ImportError) as exc:
        raise _not_ours(f"Kombu cannot load the connection's: {exc}") from None
    if not hasattr(getattr(transport, "Channel", None), "declare_lazily"):
        name = f"{transport.__module__}.{transport.__qualname__}"
        raise _not_ours(f"the connection has {name}")
    return connection


def _of_url(url: Any, options: Mapping[str, Any]) -> kombu.Connection:
    if not isinstance(url, str):
        raise _not_ours(f"{shown(url)} is neither a broker URL nor a Connection")
    scheme, separator, _ = url.partition("://")
    if not separator:
        # Kombu would take it for the name of RabbitMQ's host. It may have a secret in it.
        raise _not_ours("the broker URL has no scheme")
    try:
        return kombu.Connection(url, transport_options=options)
    except KeyError:
        raise _not_ours(f"Kombu has no transport for URLs that begin with {scheme}://") from None
    except ValueError:
        # Its text shows a part of the secret.
        raise ConfigurationError(
            "The broker URL cannot be read. Percent-encode the keys in it "
            "(urllib.parse.quote(secret, safe='')), or leave them to boto3: sqs-batch://"
        ) from None


def _not_ours(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"Receivers needs a connection with this library's transport, but {why}. Use a URL that "
        "begins with sqs-batch://, such as sqs-batch:// for AWS or "
        "sqs-batch://KEY:SECRET@127.0.0.1:4566 for a local server, or "
        'Connection(..., transport="django_sqs_kombu.transport:Transport")'
    )


class SendingConnection:
    """A connection for sending, shared by all threads of a process.

    A forked child has one of its own: it neither writes to its parent's sockets nor closes
    them, and waits for no lock whose holder is a thread that only its parent has.

    :param connect: makes a new connection.
    """

    def __init__(self, connect: Callable[[], kombu.Connection]) -> None:
        self._connect = connect
        # A signal's handler may send while its thread opens the connection.
        self._lock = threading.RLock()
        #: Channel and producer; written under the lock.
        self._open: tuple[Any, kombu.Producer] | None = None
        _all.add(self)

    def open(self) -> tuple[Any, kombu.Producer]:
        """The channel and its producer."""
        if (opened := self._open) is not None:
            return opened
        with self._lock:
            if (opened := self._open) is None:
                channel = self._connect().default_channel
                opened = channel, kombu.Producer(channel)
                if (others := self._open) is not None:
                    # A handler's, which may hold messages of its own.
                    channel.connection.client.close()
                    return others
                self._open = opened
            return opened

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
        self._lock = threading.RLock()


def _after_fork_in_child() -> None:
    for connection in list(_all):
        connection.forget_parents()


in_forked_children(_after_fork_in_child)
