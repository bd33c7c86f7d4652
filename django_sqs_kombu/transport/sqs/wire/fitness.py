"""Fitness: whether the requests of a boto3 client may go over libcurl, and what speaks against it.

Whoever has put something of his own into botocore is to find it at work.
"""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import botocore
from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.httpsession import URLLib3Session

from ....logs import get_logger
from ....posix import IS_POSIX

logger = get_logger(__name__)

#: Whether pycurl is installed, and a libcurl that it can use.  On Windows sockets are no files,
#: as what drives libcurl here needs.
HAS_CURL = IS_POSIX
try:
    import pycurl  # noqa: F401 - the modules that use it are imported only where it is
except ImportError:
    HAS_CURL = False

#: The operations that may: what is done to messages, again and again, and what is asked of each
#: queue before.
HOT = frozenset(
    {
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        "DeleteMessage",
        "DeleteMessageBatch",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListQueueTags",
        "ListQueues",
        "ReceiveMessage",
        "SendMessage",
        "SendMessageBatch",
    }
)
#: What instrumentations and recorders replace.
_METHODS = (
    (BaseClient, "_make_api_call"),
    (BaseClient, "_make_request"),
    (Endpoint, "make_request"),
    (Endpoint, "create_request"),
    (Endpoint, "prepare_request"),
    (Endpoint, "_send_request"),
    (URLLib3Session, "send"),
)
#: What may change a request or an answer; ``before-send`` is honoured on libcurl, too.
_EVENTS = (
    "provide-client-params",
    "before-parameter-build",
    "before-endpoint-resolution",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-parse",
    "response-received",
    "after-call",
    "after-call-error",
)
_BOTOCORE = os.path.join(os.path.dirname(botocore.__file__), "")


class Fitness:
    """Looks at a boto3 client for SQS, again and again.

    :param client: the client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        #: What botocore remembers of handlers, which it begins anew with each change of them.
        self._remembered: object = None
        self._handled: str | None = None

    def unfit(self) -> str | None:
        """Why its requests must go over botocore; None: they need not."""
        reason = next(_reasons(self._client), None)
        if reason is not None:
            return reason
        remembered = _remembered(self._client.meta.events)
        if remembered is None or remembered is not self._remembered:
            self._handled = next(_handled(self._client), None)
            self._remembered = remembered
        return self._handled


@cache
def say_why(reason: str) -> None:
    """Log, once for each reason, why libcurl is not used."""
    logger.info("Requests to SQS are sent by botocore, because %s", reason)


def has_hooks(client: Any, operation: str) -> bool:
    """Whether something is called before each request is sent, which may take its time."""
    # Such as a mock's, which is there for the whole process and says whether it is at work.
    return any(
        getattr(handler, "enabled", True)
        for handler in _handlers(client, f"before-send.sqs.{operation}")
    )


def is_unheard(events: Any, event: str) -> bool:
    """Whether it is known that *event* has no handler, without a look for one.

    botocore remembers that of each event until the next handler is registered.
    """
    known = (_remembered(events) or {}).get(event)
    return known is not None and not known


def _remembered(events: Any) -> Any:
    # No public one; None in a version that has none.
    return getattr(getattr(events, "_emitter", None), "_lookup_cache", None)


def _reasons(client: Any) -> Iterator[str]:
    if client.meta.service_model.metadata.get("protocol") != "json":
        yield "this botocore does not use SQS's JSON protocol"
    config = client.meta.config
    if config.signature_version not in (None, "v4"):
        yield f"requests are signed by {config.signature_version!r}"
    if (config.proxies_config or {}).get("proxy_use_forwarding_for_https"):
        yield "proxy_use_forwarding_for_https is set"
    if urlsplit(client.meta.endpoint_url).query:
        yield "the endpoint's URL has a query"
    for owner, name in _METHODS:
        if _is_replaced(owner, name):
            yield f"{owner.__name__}.{name} was replaced"


def _handled(client: Any) -> Iterator[str]:
    """What speaks against it among the handlers of botocore's events."""
    for event in (f"{event}.sqs.{operation}" for event in _EVENTS for operation in HOT):
        for handler in _handlers(client, event):
            if not _is_known(handler):
                yield f"botocore's event {event} has a handler of {_module(handler)}"


def _is_replaced(owner: type, name: str) -> bool:
    found = inspect.getattr_static(owner, name)
    # What wraps it may have taken over its name, but not its code. A wrapper of wrapt's, which
    # OpenTelemetry and X-Ray use, even says that its class and code are those of the wrapped.
    return not (
        type(found) is types.FunctionType and found.__code__.co_filename.startswith(_BOTOCORE)
    )


def _handlers(client: Any, event: str) -> list[Any]:
    # botocore has no public way to ask; a version that keeps them elsewhere tells of none.
    emitter = getattr(client.meta.events, "_emitter", None)
    handlers = getattr(emitter, "_handlers", None)
    return list(handlers.prefix_search(event)) if handlers else []


def _is_known(handler: Any) -> bool:
    module = _module(handler)
    if module == "botocore.stub":
        return False
    return module.split(".")[0] in ("botocore", "boto3", __name__.split(".")[0])


def _module(handler: Any) -> str:
    return str(getattr(handler, "__module__", None) or type(handler).__module__)
