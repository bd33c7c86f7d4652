"""Signing: AWS's Signature Version 4 of a request to SQS, as botocore makes it.

botocore derives the key of the day for each request; here it is kept, which leaves a seventh of
the CPU.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from botocore.utils import normalize_url_path

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "sqs"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DATE = "x-amz-date"
#: Of HMAC: the bytes that the key of each of its two hashes is mixed with.
_PADS = (0x36, 0x5C)
#: The most targets and tokens of which the form of a request is kept.
_FORMS = 64
#: The most bytes of a body that is kept with its signature: of polls, and of little else.
_SHORT = 1024


class Keys(NamedTuple):
    """Credentials at one moment; botocore's ``ReadOnlyCredentials`` will do.

    :param token: the session token of temporary ones.
    """

    access_key: str
    secret_key: str
    token: str | None


class Signer:
    """Signs requests to one endpoint; safe to use from any thread.

    :param url: the endpoint's.
    :param region: the region in whose name it is signed.
    :param headers: the headers that every request has and that are signed, in lower case.
    """

    def __init__(self, url: str, region: str, headers: dict[str, str]) -> None:
        self.host = host_of(url)
        self._region = region
        self._headers = dict(headers)
        self._path = quote(normalize_url_path(urlsplit(url).path), safe="/~")
        #: The key of one day: what it is made of, and HMAC's two hashes begun with it.
        self._day: tuple[tuple[str, str], tuple[Hash, Hash]] | None = None
        self._time: tuple[int, str] = (-1, "")
        #: By target and token: what is signed before and after the time, and the names of it.
        self._forms: dict[tuple[str, str | None], tuple[str, str, str]] = {}
        #: By target: of what it signed last, the time, the keys and the body; and the headers.
        self._last: dict[str, tuple[str, Keys, bytes, list[str]]] = {}

    def sign(self, keys: Keys, target: str, body: bytes, at: float) -> list[str]:
        """The headers that sign a request.

        :param target: the value of its ``X-Amz-Target``.
        :param at: when it is sent, in seconds since 1970.
        """
        stamp = self._stamp(int(at))
        last = self._last.get(target)
        # Polls of a full queue are alike, and there are hundreds in a second.
        if last is not None and last[0] == stamp and last[2] == body and last[1] == keys:
            return last[3]
        headers = self._signed(keys, target, body, stamp)
        if len(body) <= _SHORT:
            self._last[target] = stamp, keys, body, headers
        return headers

    def _signed(self, keys: Keys, target: str, body: bytes, stamp: str) -> list[str]:
        date = stamp[:8]
        form = self._forms.get((target, keys.token)) or self._form(target, keys.token)
        before, after, listed = form
        request = f"{before}{stamp}{after}{sha256(body).hexdigest()}".encode()
        scope = f"{date}/{self._region}/{SERVICE}/aws4_request"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(request).hexdigest()}".encode()
        # HMAC by hand: hmac.digest() lets other threads run, and then waits for its turn.
        inner, outer = self._key(keys.secret_key, date)
        inner, outer = inner.copy(), outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        signature = outer.hexdigest()
        headers = [
            f"Authorization: {ALGORITHM} Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}",
            f"X-Amz-Date: {stamp}",
            f"X-Amz-Target: {target}",
        ]
        if keys.token:
            headers.append(f"X-Amz-Security-Token: {keys.token}")
        return headers

    def _stamp(self, second: int) -> str:
        known, stamp = self._time
        if known != second:
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._time = second, stamp
        return stamp

    def _form(self, target: str, token: str | None) -> tuple[str, str, str]:
        signed = {**self._headers, "host": self.host, _DATE: "", "x-amz-target": target}
        if token:
            signed["x-amz-security-token"] = token
        names = sorted(signed)
        listed, at = ";".join(names), names.index(_DATE)
        lines = [f"{name}:{signed[name]}" for name in names]
        before = "\n".join([f"POST\n{self._path}\n", *lines[: at + 1]])
        after = "\n".join(["", *lines[at + 1 :], "", listed, ""])
        if len(self._forms) >= _FORMS:
            # Tokens come and go.
            self._forms.clear()
        form = self._forms[target, token] = before, after, listed
        return form

    def _key(self, secret: str, date: str) -> tuple[Hash, Hash]:
        of = secret, date
        day = self._day
        if day is None or day[0] != of:
            key = f"AWS4{secret}".encode()
            for part in (date, self._region, SERVICE, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            key = key.ljust(sha256().block_size, b"\0")
            inner, outer = (sha256(bytes(byte ^ pad for byte in key)) for pad in _PADS)
            begun = inner, outer
            day = self._day = of, begun
        return day[1]


def host_of(url: str) -> str:
    """The Host header of a URL, as botocore signs it: lower case, no port that is the usual one.

    :raises ValueError: its port is no number.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    return host if port is None or port == _DEFAULT_PORTS.get(parts.scheme) else f"{host}:{port}"
