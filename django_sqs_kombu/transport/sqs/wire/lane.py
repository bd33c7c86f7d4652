"""Lane: sends a client's frequent requests over libcurl, as botocore would have sent them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import botocore.session
import pycurl
from botocore.awsrequest import AWSPreparedRequest
from botocore.hooks import first_non_none_response

from ..abort import RequestAborted, broken_off_by
from ..shield import ends_before_deadlines
from ..waits import patience
from .codec import decode, encode
from .fitness import say_why, unfit
from .handles import Handle, Handles, Request
from .reactor import BROKEN_OFF, reactor
from .target import target_of, trace_headers

#: Bytes a second at which the body of a request travels at least.
SLOWEST = 200_000
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
        self._fit_until = 0.0
        self._unfit: str | None = None

    @property
    def fits(self) -> bool:
        """Whether the client's requests may be sent this way now."""
        now = time.monotonic()
        if now >= self._fit_until:
            self._unfit, self._fit_until = unfit(self._client), now + FIT_FOR
            if self._unfit is not None:
                say_why(self._unfit)
        return self._unfit is None

    @ends_before_deadlines
    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request; return what SQS answered.

        :raises botocore.exceptions.ClientError: SQS refused.
        :raises botocore.exceptions.BotoCoreError: it could not be asked.
        :raises ValueError: what was answered is no answer of SQS's.
        :raises RequestAborted: the request was broken off.
        """
        request = self._request(operation, encode(params))
        answer = self._before_send(request)
        if answer is not None:
            return decode(operation, answer.status_code, answer.headers.items(), answer.content)
        handle = self._handles.take()
        handle.prepare(request)
        in_reactor = operation == "ReceiveMessage" or _is_cooperative()
        error = _wait(handle) if in_reactor else _perform(handle)
        # A handle whose request was struck by an exception is not used again.
        try:
            if error is not None:
                raise handle.fault(*error)
            return handle.answer(operation)
        finally:
            self._handles.give(handle)

    def _request(self, operation: str, body: bytes) -> Request:
        target = self._target
        signed = target.signer.sign(target.keys(), f"AmazonSQS.{operation}", body, time.time())
        headers = [*target.headers, *signed, *trace_headers()]
        # libcurl counts from the start, and not the silence only as botocore does.
        seconds = (patience() or target.read_timeout) + len(body) / SLOWEST
        return Request(operation, headers, body, seconds)

    def _before_send(self, request: Request) -> Any:
        """What a handler of botocore's event has answered in SQS's place, if one has."""
        url = self._target.url
        headers = dict(line.split(": ", 1) for line in request.headers if ": " in line)
        prepared = AWSPreparedRequest("POST", url, headers, request.body, stream_output=False)
        found = self._target.events.emit(f"before-send.sqs.{request.operation}", request=prepared)
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
    exchange = reactor.begin(handle, ended.set)
    with broken_off_by(exchange.break_off):
        try:
            ended.wait()
        except BaseException:
            exchange.break_off()
            raise
    if exchange.error is not None and exchange.error[0] == BROKEN_OFF:
        raise RequestAborted
    return exchange.error


def _is_cooperative() -> bool:
    """Whether this thread is a greenlet, of which libcurl would block all others."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("socket"):
        return True
    return eventlet is not None and bool(eventlet.is_monkey_patched("socket"))
