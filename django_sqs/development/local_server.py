"""LocalServer: an SQS and S3 server on this machine, which remembers its queues."""

from __future__ import annotations

import json
import logging
import socket
import threading
from functools import partial
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread

from .local_front import LocalFront
from .local_queues import LocalQueues, require_definitions

logger = get_logger(__name__)


class LocalServer:
    """moto's server in threads of this process; any credentials will do.

    :param host: what it binds to.
    :param port: 0: any.
    :param state: a file where the definitions of queues are kept, not their messages; None:
        they are forgotten.
    :raises ImproperlyConfigured: moto is not installed.
    """

    def __init__(self, host: str, port: int, state: Path | None = None) -> None:
        try:
            from moto.moto_server import werkzeug_app as moto
            from werkzeug.serving import make_server
        except ImportError as exc:
            raise ImproperlyConfigured(
                "A local server needs: pip install 'django-sqs[local]>=2'"
            ) from exc
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._front = LocalFront(moto.DomainDispatcherApplication(moto.create_backend_app))
        self._make = partial(
            make_server,
            host,
            port,
            self._front,
            threaded=True,
            # Older ones of moto have none of their own.
            request_handler=getattr(moto, "MotoRequestHandler", None),
        )
        self._server: Any = None
        self._address = host, port
        self._state = state
        # What could not be written; asked for once, since it is tried again every second.
        self._unwritten: list[dict[str, Any]] | None = None
        self.url = ""

    def start(self) -> int:
        """Start, and make the queues of the state file; return how many.

        :raises OSError: the port is taken, or the file cannot be read, or a queue not be made.
        """
        definitions = self._read()
        # werkzeug would end the process where the port is taken.
        with socket.create_server(self._address):
            pass
        self._server = self._make()
        start_thread(
            threading.Thread(
                # Seconds that a stop may take.
                target=partial(self._server.serve_forever, 0.05),
                name="django-sqs-local",
                daemon=True,
            )
        )
        host, port = self._server.server_address[:2]
        self.url = f"http://{host}:{port}"
        self._queues = LocalQueues(self.url)
        try:
            self._queues.create(definitions)
        except ValueError as exc:
            self._close()
            raise OSError(
                f"{exc}. Correct {self._state}, or delete it to begin without queues"
            ) from exc
        return len(definitions)

    def stop(self) -> None:
        """Keep the definitions, and stop."""
        self.keep()
        self._close()

    def keep(self) -> None:
        """Write the definitions of the queues, should they have changed.

        Where the file cannot be written this is logged once, and tried again the next time.
        """
        if self._state is None:
            return
        definitions, failed_before = self._unwritten, self._unwritten is not None
        if self._front.has_redefined:
            # Before it is asked, so that what changes meanwhile is seen the next time.
            self._front.has_redefined = False
            definitions = self._queues.definitions()
        if definitions is None:
            return
        try:
            self._write(self._state, definitions)
            self._unwritten = None
        except OSError as exc:
            self._unwritten = definitions
            if not failed_before:
                logger.warning(
                    "The definitions of queues are not kept, and are lost when the server stops: "
                    "%s. Name a file that can be written with --state.",
                    exc,
                )

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _write(self, state: Path, definitions: list[dict[str, Any]]) -> None:
        if definitions != self._read():
            text = json.dumps(definitions, indent=2) + "\n"
            # Whole or not at all, should this process end here.
            fresh = state.with_name(state.name + ".new")
            fresh.write_text(text)
            fresh.replace(state)

    def _read(self) -> list[dict[str, Any]]:
        if self._state is None or not self._state.exists():
            return []
        try:
            definitions: list[dict[str, Any]] = json.loads(self._state.read_text())
            require_definitions(definitions)
        except ValueError as exc:
            raise OSError(f"{self._state} is not a file of queue definitions: {exc}") from exc
        return definitions
