"""Faults: what libcurl's errors are called in botocore."""

from __future__ import annotations

import pycurl
from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import mask_proxy_url

from ..handshakes import HandshakeFailed

_UNREACHABLE = {pycurl.E_COULDNT_RESOLVE_HOST, pycurl.E_COULDNT_CONNECT}
#: No connection to the proxy, or one that leads nowhere (CURLE_PROXY, in newer versions only).
_PROXY = {pycurl.E_COULDNT_RESOLVE_PROXY, 97}
_TLS = {
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CIPHER,
    pycurl.E_PEER_FAILED_VERIFICATION,
    # Before libcurl 7.62 it had a number of its own.
    pycurl.E_SSL_CACERT,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_ISSUER_ERROR,
    pycurl.E_SSL_SHUTDOWN_FAILED,
}
_CLOSED = {
    pycurl.E_GOT_NOTHING,
    pycurl.E_SEND_ERROR,
    pycurl.E_RECV_ERROR,
    pycurl.E_PARTIAL_FILE,
}


def fault(code: int, text: str, url: str, proxy: str, *, asked: bool) -> BotoCoreError:
    """botocore's error for one of libcurl's.

    :param code: libcurl's number of it.
    :param asked: whether any of the request was sent, so that SQS may have it.
    """
    error = f"{text} (libcurl {code})"
    if asked:
        return _unanswered(code, error, url)
    # Behind a proxy, that is all that libcurl connects to.
    if proxy and code in _PROXY | _UNREACHABLE | _CLOSED:
        return ProxyConnectionError(proxy_url=mask_proxy_url(proxy), error=error)
    if code in _UNREACHABLE:
        return EndpointConnectionError(endpoint_url=url, error=error)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return ConnectTimeoutError(endpoint_url=url, error=error)
    if code in _TLS:
        return SSLError(endpoint_url=url, error=HandshakeFailed(error))
    if code in _CLOSED:
        return ConnectionClosedError(endpoint_url=url, error=error)
    return HTTPClientError(error=error)


def _unanswered(code: int, error: str, url: str) -> BotoCoreError:
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return ReadTimeoutError(endpoint_url=url, error=error)
    if code in _CLOSED | _TLS | _UNREACHABLE | _PROXY:
        return ConnectionClosedError(endpoint_url=url, error=error)
    return HTTPClientError(error=error)
