"""Handshakes: where TLS fails before a request is sent, SQS certainly does not have it.

botocore raises the same ``SSLError`` if TLS breaks while an answer is awaited.
"""

from __future__ import annotations

import ssl
from typing import Any

from botocore.awsrequest import AWSHTTPSConnection
from botocore.exceptions import SSLError
from urllib3.exceptions import SSLError as URLLib3SSLError


class HandshakeFailed(URLLib3SSLError):
    """There was no TLS connection to send a request over."""


class HTTPSConnection(AWSHTTPSConnection):  # type: ignore[misc]
    """A connection that tells a handshake that failed from what fails later."""

    def connect(self) -> Any:
        """Connect; urllib3's method."""
        try:
            return super().connect()
        except (ssl.SSLError, URLLib3SSLError) as exc:
            raise HandshakeFailed(exc) from exc


def is_of_handshake(exc: SSLError) -> bool:
    """Whether botocore's error says that the request was not sent."""
    return isinstance(exc.kwargs.get("error"), HandshakeFailed)
