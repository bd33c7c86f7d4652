"""Failover: which connections ask SQS before they count as connected, and go on elsewhere."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..exceptions import CredentialsMissing, EndpointUnreachable, RequestFailed

if TYPE_CHECKING:
    import kombu

    from .channel import Channel

#: The URL scheme that names this transport.
SCHEME = "sqs-batch"

#: Connections that Kombu gave up over an error, and has not made again.
_given_up: weakref.WeakSet[kombu.Connection] = weakref.WeakSet()


def keep_transport(client: kombu.Connection) -> None:
    """Give the alternative URLs of *client* this transport's scheme.

    Kombu takes the transport from the scheme of the URL that it switches to, whatever
    transport the connection was given, so ``sqs://`` would lead to Kombu's own.
    """
    urls = [_with_scheme(url) for url in client.alt]
    if urls != client.alt:
        client.alt = urls
        client.cycle = client.failover_strategy(urls)
        # The first is the one that is in use.
        next(client.cycle)


def give_up(client: kombu.Connection) -> None:
    """Remember that *client* met an error, so that it asks when it connects again."""
    _given_up.add(client)


def must_ask(client: kombu.Connection) -> bool:
    """Whether *client* must find out that SQS answers before it counts as connected.

    Otherwise connecting needs no request, and no permission.
    """
    return client in _given_up or len(client.alt) > 1


def ask(channel: Channel, client: kombu.Connection) -> None:
    """Return when SQS answers, whatever it says: a refusal is an answer.

    :param client: whose channel it is; another thread of it may close the channel meanwhile.
    :raises EndpointUnreachable: it does not.
    :raises CredentialsMissing: nothing can be asked now.
    """
    try:
        channel.ask()
    except (EndpointUnreachable, CredentialsMissing):
        raise
    except RequestFailed:
        pass
    _given_up.discard(client)


def _with_scheme(url: str) -> str:
    scheme = urlsplit(url).scheme if "://" in url else ""
    return url if not scheme else SCHEME + url[len(scheme) :]
