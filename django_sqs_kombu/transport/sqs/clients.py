"""The boto3 clients of a channel."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from .abort import make_abortable

if TYPE_CHECKING:
    from ..channel import Channel


def sqs_client(
    channel: Channel,
    region: str,
    access_key_id: str | None,
    secret_access_key: str | None,
    session_token: str | None,
) -> Any:
    """An SQS client with room for every poller and short waits for a dead endpoint."""
    config = {
        "connect_timeout": 5,
        # SQS answers a long poll after 20 s at the latest.
        "read_timeout": 25,
        # With botocore's pool of 10, pollers and receivers would throw connections away.
        "max_pool_connections": 100,
        "tcp_keepalive": True,
    }
    config.update(channel.transport_options.get("client-config") or {})
    session = boto3.session.Session(
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=session_token,
    )
    client = session.client(
        "sqs",
        config=Config(**config),
        endpoint_url=channel.endpoint_url,
        use_ssl=True if channel.is_secure is None else channel.is_secure,
    )
    make_abortable(client)
    return client


class S3Client:
    """The channel's S3 client, made when it is first needed."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._client: Any = None

    def __call__(self) -> Any:
        """The client; any thread may ask for it."""
        with self._lock:
            if self._client is None:
                self._client = boto3.client(
                    "s3",
                    region_name=self._channel.region,
                    endpoint_url=self._channel.transport_options.get("s3_endpoint_url"),
                    aws_access_key_id=self._channel.conninfo.userid,
                    aws_secret_access_key=self._channel.conninfo.password,
                )
            return self._client
