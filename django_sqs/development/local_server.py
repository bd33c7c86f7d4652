"""LocalServer: an SQS and S3 server on this machine, which remembers its queues."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from django.core.exceptions import ImproperlyConfigured

from django_sqs_kombu.logs import get_logger

from .local_front import LocalFront

logger = get_logger(__name__)

#: What a queue is created with; all else that SQS tells of it changes by itself.
KEPT = (
    "ContentBasedDeduplication",
    "DelaySeconds",
    "FifoQueue",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "VisibilityTimeout",
)


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
        self.url = ""

    def start(self) -> int:
        """Start, and make the queues of the state file; return how many.

        :raises OSError: the port is taken, or the file cannot be read.
        """
        # werkzeug would end the process where the port is taken.
        with socket.create_server(self._address):
            pass
        self._server = self._make()
        threading.Thread(
            target=self._server.serve_forever, name="django-sqs-local", daemon=True
        ).start()
        host, port = self._server.server_address[:2]
        self.url = f"http://{host}:{port}"
        definitions = self._read()
        for definition in sorted(definitions, key=_dead_letters_first):
            self._client().create_queue(**definition)
        return len(definitions)

    def stop(self) -> None:
        """Keep the definitions, and stop."""
        self.keep()
        self._server.shutdown()
        self._server.server_close()

    def keep(self) -> None:
        """Write the definitions of the queues, should they have changed."""
        if self._state is None or not self._front.has_redefined:
            return
        # Before it is asked, so that what changes meanwhile is seen the next time.
        self._front.has_redefined = False
        definitions = self._definitions()
        if definitions != self._read():
            text = json.dumps(definitions, indent=2) + "\n"
            # Whole or not at all, should this process end here.
            fresh = self._state.with_name(self._state.name + ".new")
            fresh.write_text(text)
            fresh.replace(self._state)

    def _definitions(self) -> list[dict[str, Any]]:
        sqs = self._client()
        found = []
        for url in sqs.list_queues().get("QueueUrls", []):
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            tags = sqs.list_queue_tags(QueueUrl=url).get("Tags") or {}
            kept = {k: v for k, v in attributes["Attributes"].items() if k in KEPT}
            found.append({"QueueName": url.rpartition("/")[2], "Attributes": kept, "tags": tags})
        return sorted(found, key=lambda definition: str(definition["QueueName"]))

    def _read(self) -> list[dict[str, Any]]:
        if self._state is None or not self._state.exists():
            return []
        try:
            definitions: list[dict[str, Any]] = json.loads(self._state.read_text())
        except ValueError as exc:
            raise OSError(f"{self._state} is not a file of queue definitions: {exc}") from exc
        return definitions

    def _client(self) -> Any:
        return boto3.client(
            "sqs",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - what this server takes, as any other
        )


def _dead_letters_first(definition: Mapping[str, Any]) -> bool:
    return "RedrivePolicy" in definition["Attributes"]
