"""Handles: libcurl's easy handles, each with its connection, that send to one target."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pycurl
from botocore.exceptions import BotoCoreError

from ..answers import NotAnAnswer
from ..forks import keep_for_ever, renew_after_fork
from ..request_ids import HEADER
from .codec import decode
from .doubted import Doubted
from .faults import fault
from .target import Security, Target

#: Seconds without traffic after which the other side is asked whether it is still there: a long
#: poll may be silent for 20, and something between may forget silent connections.
KEEPALIVE = 30
#: Seconds for which the addresses of a host are believed in: connections that are made at the same
#: time share a question, and a host that moves is found soon. libcurl would ask once a minute.
RESOLVED = 2
_REQUEST_ID = f"\n{HEADER}:".encode()


# Not frozen, which would take thrice as long to make: there is one for each request.
@dataclass(slots=True)
class Request:
    """One request, signed.

    :param headers: as lines.
    :param seconds: how long it may take in all.
    """

    operation: str
    headers: list[str]
    body: bytes
    seconds: float


class Handle:
    """A handle of libcurl's, for one request at a time."""

    __slots__ = ("_doubted", "_lines", "_parts", "_target", "curl")

    def __init__(self, target: Target, doubted: Doubted) -> None:
        self._target = target
        self._doubted = doubted
        self._parts: list[bytes] = []
        self._lines: list[bytes] = []
        self.curl = pycurl.Curl()
        _set_up(self.curl, target)
        # Functions in C, so that nothing of Python runs for each header.
        self.curl.setopt(pycurl.WRITEFUNCTION, self._parts.append)
        self.curl.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def prepare(self, request: Request) -> None:
        """Make *request* the next one."""
        self._parts.clear()
        self._lines.clear()
        curl = self.curl
        curl.setopt(pycurl.HTTPHEADER, request.headers)
        curl.setopt(pycurl.POSTFIELDS, request.body)
        curl.setopt(pycurl.TIMEOUT_MS, int(request.seconds * 1000))
        self._doubted.keep_from(curl)

    def answer(self, operation: str) -> dict[str, Any]:
        """What was answered.

        :raises botocore.exceptions.ClientError: SQS refused.
        :raises ValueError: it is no answer of SQS's.
        """
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        headers = () if status == 200 else self.headers
        try:
            answer = decode(operation, status, headers, b"".join(self._parts))
        except NotAnAnswer as exc:
            exc.answer = self._metadata
            raise
        answer.update(self._metadata)
        return answer

    @property
    def _metadata(self) -> dict[str, Any]:
        """The id of the request, where botocore's answers have it."""
        lines = b"".join(self._lines)
        begins = lines.lower().find(_REQUEST_ID)
        if begins < 0:
            return {}
        begins += len(_REQUEST_ID)
        found = lines[begins : lines.find(b"\n", begins)].decode("latin-1").strip()
        return {"ResponseMetadata": {"RequestId": found}}

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer, without those of a proxy or a 100 before it."""
        found: list[tuple[str, str]] = []
        for line in self._lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                found.append((name.strip(), value.strip()))
            elif line.startswith(b"HTTP/"):
                found.clear()
        return found

    def fault(self, code: int, text: str) -> BotoCoreError:
        """What libcurl's error *code* is called in botocore."""
        # Of all connections: when a kept one is cut, libcurl asks again over another, which may
        # not come about.  Its times are those of the last, and not 0 where that did not.
        asked = self.curl.getinfo(pycurl.REQUEST_SIZE) > 0
        if asked and code == pycurl.E_OPERATION_TIMEDOUT:
            self._doubted.note()
        target = self._target
        return fault(code, text, target.url, target.proxy, asked=asked)


class Handles:
    """The handles that send to one target and are free now; safe to use from any thread."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._free: deque[Handle] = deque()
        self._doubted = Doubted()
        renew_after_fork(self)

    def take(self) -> Handle:
        """One that nobody else uses, with a connection if one is free."""
        try:
            return self._free.pop()
        except IndexError:
            return Handle(self._target, self._doubted)

    def give(self, handle: Handle) -> None:
        """It may be used again."""
        self._free.append(handle)

    def renew_after_fork(self) -> None:
        """Leave the parent's handles alone, in a forked child.

        To close one here would end the parent's TLS connection.
        """
        keep_for_ever(self._free)
        self._free = deque()


def _set_up(curl: pycurl.Curl, target: Target) -> None:
    set_ = curl.setopt
    set_(pycurl.URL, target.url)
    set_(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    set_(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    set_(pycurl.POST, 1)
    set_(pycurl.NOSIGNAL, 1)
    set_(pycurl.TCP_NODELAY, 1)
    set_(pycurl.TCP_KEEPALIVE, 1)
    set_(pycurl.TCP_KEEPIDLE, KEEPALIVE)
    set_(pycurl.TCP_KEEPINTVL, KEEPALIVE)
    set_(pycurl.DNS_CACHE_TIMEOUT, RESOLVED)
    set_(pycurl.CONNECTTIMEOUT_MS, int(target.connect_timeout * 1000))
    # Else libcurl would take both from the environment, by rules of its own.
    set_(pycurl.PROXY, target.proxy)
    set_(pycurl.NOPROXY, "")
    _secure(set_, target.security, pycurl.CAINFO, pycurl.CAPATH, pycurl.SSLCERT, pycurl.SSLKEY)
    if target.proxy.startswith("https:"):
        _secure(
            set_,
            target.proxy_security,
            pycurl.PROXY_CAINFO,
            pycurl.PROXY_CAPATH,
            pycurl.PROXY_SSLCERT,
            pycurl.PROXY_SSLKEY,
        )


def _secure(
    set_: Callable[[int, str], None],
    security: Security,
    file: int,
    folder: int,
    certificate: int,
    key: int,
) -> None:
    if security.authorities:
        set_(folder if os.path.isdir(security.authorities) else file, security.authorities)
    if security.certificate:
        set_(certificate, security.certificate)
    if security.key:
        set_(key, security.key)
