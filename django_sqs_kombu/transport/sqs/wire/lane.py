"""Lane: sends a client's frequent requests over libcurl, as botocore would have sent them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import botocore.session
import pycurl
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.hooks import first_non_none_response

from ..abort import RequestAborted, broken_off_by
from ..shield import ends_before_deadlines
from ..waits import patience
from .codec import decode, encode
from .fitness import Fitness, has_hooks, is_unheard, say_why
from .handles import Handle, Handles, Request
from .reactor import BROKEN_OFF, Exchange, reactor
from .signing import Keys
from .target import on_lambda, target_of, trace_headers

#: Bytes a second at which the body of a request travels at least.
SLOWEST = 200_000
#: Seconds after which whoever waits in the main thread looks for signals.
LOOK = 1.0
#: Seconds for which it is believed that a client's requests may be sent this way.
FIT_FOR = 1.0


class CurlLane:
    """Sends what is done to messages over libcurl; safe to use from any thread.

    Each request is sent once.  Polls are waited for in the thread of the reactor, so that they
    can be broken off; everything else is sent from the thread that asks for it.

    :param client: the boto3 client whose requests they are.
    :param session: the botocore session that it was made of.
    """

    def __init__(self, client: Any, session: botocore.session.Session) -> None:
        self._client = client
        self._target = target_of(client, session)
        self._handles = Handles(self._target)
        self._fitness, self._fit_until = Fitness(client), 0.0
        self._on_lambda = on_lambda()
        self._unfit: str | None = None
        #: By operation, whether something is called before its requests are sent.
        self._hooked: dict[str, bool] = {}

    @property
    def fits(self) -> bool:
        """Whether the client's requests may be sent this way now."""
        now = time.monotonic()
        if now >= self._fit_until:
            self._unfit, self._fit_until = self._fitness.unfit(), now + FIT_FOR
            self._hooked = {}
            if self._unfit is not None:
                say_why(self._unfit)
        return self._unfit is None

    def make_ready(self) -> None:
        """Wait for the credentials that :meth:`ready` has then; a failure is others' to tell."""
        with suppress(BotoCoreError, ClientError, OSError):
            self._target.keys.now()

    def ready(self, operation: str) -> Keys | None:
        """The credentials to :meth:`begin` a request with.

        None: it cannot be begun now, since somebody would wait for them, or for hooks.
        """
        if operation not in self._hooked:
            self._hooked[operation] = has_hooks(self._client, operation)
        return None if self._hooked[operation] else self._target.keys.at_once()

    def begin(
        self,
        operation: str,
        params: Mapping[str, Any],
        keys: Keys,
        seconds: float | None,
        ended: Callable[[dict[str, Any] | Exception], None],
    ) -> Exchange | None:
        """Send one request, and do not wait for its answer.

        :param seconds: how long the answer may take; None: as long as usual.
        :param ended: called in the thread of the reactor, with what :meth:`call` would have
            returned or raised; or here, where it cannot be sent: then None is returned.
        :raises RuntimeError: no thread can be started that waits for it.
        """
        try:
            request = self._request(operation, encode(params), keys, seconds)
        except Exception as exc:  # noqa: BLE001 - whoever asked must hear of it
            ended(exc)
            return None
        handle = self._handles.take()
        handle.prepare(request)
        return reactor.begin(handle, lambda exchange: ended(self._result(operation, exchange)))

    def _result(self, operation: str, exchange: Exchange) -> dict[str, Any] | Exception:
        try:
            return self._read(operation, exchange.handle, exchange.error)
        except Exception as exc:  # noqa: BLE001 - what it is, is said elsewhere
            return exc

    def _read(
        self, operation: str, handle: Handle, error: tuple[int, str] | None
    ) -> dict[str, Any]:
        """The answer that a handle has, or why it has none; the handle may be used again."""
        try:
            if error is None:
                return handle.answer(operation)
            raise RequestAborted if error[0] == BROKEN_OFF else handle.fault(*error)
        finally:
            self._handles.give(handle)

    @ends_before_deadlines
    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request; return what SQS answered.

        :raises botocore.exceptions.ClientError: SQS refused.
        :raises botocore.exceptions.BotoCoreError: it could not be asked.
        :raises ValueError: what was answered is no answer of SQS's.
        :raises RequestAborted: the request was broken off.
        """
        request = self._request(operation, encode(params), self._target.keys.now())
        answer = self._before_send(request)
        if answer is not None:
            return decode(operation, answer.status_code, answer.headers.items(), answer.content)
        handle = self._handles.take()
        handle.prepare(request)
        in_reactor = operation == "ReceiveMessage" or _is_cooperative()
        # A handle whose request was struck by an exception is not used again.
        error = _wait(handle) if in_reactor else _perform(handle)
        return self._read(operation, handle, error)

    def _request(
        self, operation: str, body: bytes, keys: Keys, wait: float | None = None
    ) -> Request:
        target = self._target
        signed = target.signer.sign(keys, f"AmazonSQS.{operation}", body, time.time())
        headers = [*target.headers, *signed]
        if self._on_lambda:
            headers += trace_headers()
        # libcurl counts from the start, and not the silence only as botocore does.
        seconds = (wait or patience(target.read_timeout)) + len(body) / SLOWEST
        return Request(operation, headers, body, seconds)

    def _before_send(self, request: Request) -> Any:
        """What a handler of botocore's event has answered in SQS's place, if one has."""
        event = f"before-send.sqs.{request.operation}"
        if is_unheard(self._target.events, event):
            return None
        url = self._target.url
        headers = dict(line.split(": ", 1) for line in request.headers if ": " in line)
        prepared = AWSPreparedRequest("POST", url, headers, request.body, stream_output=False)
        found = self._target.events.emit(event, request=prepared)
        return first_non_none_response(found)


def _perform(handle: Handle) -> tuple[int, str] | None:
    try:
        handle.curl.perform()
    except pycurl.error as exc:
        code, text = exc.args
        return code, text
    return None


def _wait(handle: Handle) -> tuple[int, str] | None:
    ended = threading.Event()
    exchange = reactor.begin(handle, lambda _: ended.set())
    with broken_off_by(exchange.break_off):
        try:
            # A Ctrl-C that comes just before the wait does not end it, but is seen after it.
            while not ended.wait(LOOK):
                pass
        except BaseException:
            exchange.break_off()
            raise
    return exchange.error


def _is_cooperative() -> bool:
    """Whether this thread is a greenlet, of which libcurl would block all others."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("socket"):
        return True
    return eventlet is not None and bool(eventlet.is_monkey_patched("socket"))
