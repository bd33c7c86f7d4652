"""BoundedHTTPServer: answers in threads, with a bound on connections."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django_sqs_kombu.logs import get_logger

logger = get_logger(__name__)

#: Connections at once. Whoever opens more, and is slow, takes no file from the receivers.
MOST_CONNECTIONS = 32
#: Seconds before the next connection is accepted where one could not be.
ACCEPT_PAUSE = 0.1


class BoundedHTTPServer(ThreadingHTTPServer):
    """A server whose oldest connection gives way to one too many.

    So a slow client, or one that opens many connections, does not keep others from being
    answered.

    :param address: host, IPv6 too, and port.
    :param handler: what answers a connection.
    :raises OSError: it cannot listen there.
    """

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        #: The open connections, the oldest first.
        self._open: dict[Any, None] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def get_request(self) -> Any:
        """Accept a connection."""
        try:
            return super().get_request()
        except OSError:
            # No file is left, for instance. The next try would come at once.
            time.sleep(ACCEPT_PAUSE)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        with self._lock:
            if len(self._open) >= MOST_CONNECTIONS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                # Its thread reads the end, and closes it.
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong; clients that go away are none of our errors."""
        if isinstance(sys.exc_info()[1], OSError):
            logger.debug("A client of the control port went away", exc_info=True)
        else:
            logger.exception("The control port could not answer")
