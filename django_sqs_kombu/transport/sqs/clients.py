"""Account: whose SQS a connection speaks to; its clients, names, endpoint and options."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from ...exceptions import ConfigurationError, QueueNotPredefined
from .abort import make_abortable
from .answers import refuse_other_bodies
from .forks import renew_after_fork
from .naming import sqs_name

DEFAULT_REGION = "us-east-1"
#: Seconds to wait for a connection, and for the answer to everything but a long poll: well
#: below what a lease has left when its renewal is due.
CONNECT_TIMEOUT, READ_TIMEOUT = 3, 5
#: With botocore's 10 connections, pollers and receivers would throw connections away.
_CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom SQS takes a client for, and where.

    Without keys they are what boto3 finds: the environment, a profile or a role.
    """

    region: str
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


class Account:
    """What one connection knows of its SQS; safe to use from any thread.

    :param options: the transport options.
    :param access_key_id: the connection's own key, if it was given one, and
        *secret_access_key*, its secret.
    :param endpoint: the URL of another server than AWS's.
    :param undefined: made of a queue's name and raised, where queues are predefined and it is
        not among them.
    :ivar urls: the queues' URLs, by their names in SQS.
    :ivar predefined: the options of predefined queues, by every name that they are used under.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        endpoint: str | None = None,
        undefined: type[QueueNotPredefined] = QueueNotPredefined,
    ) -> None:
        self.options = options
        self.endpoint = endpoint
        self.create_queues = bool(options.get("create_queues", True))
        config = options.get("client-config") or {}
        #: Seconds to wait for the answer to everything but a long poll.
        self.read_timeout = float(config.get("read_timeout", READ_TIMEOUT))
        self._undefined = undefined
        self._keys = (access_key_id, secret_access_key)
        self._prefix = str(options.get("queue_name_prefix") or "")
        self.predefined = self._under_every_name(options.get("predefined_queues") or {})
        self.urls: dict[str, str] = {
            name: queue["url"] for name, queue in self.predefined.items() if "url" in queue
        }
        self._region: str | None = None
        self._clients: dict[tuple[str, Identity], Any] = {}
        #: Of the parent process, kept: to close their connections here would be of no use.
        self._inherited: list[dict[tuple[str, Identity], Any]] = []
        self._making = threading.RLock()
        renew_after_fork(self)

    @property
    def region(self) -> str:
        """The region of queues that do not say another."""
        if self._region is None:
            found = self.options.get("region") or boto3.session.Session().region_name
            self._region = str(found or DEFAULT_REGION)
        return self._region

    def canonical(self, queue: str) -> str:
        """The name that SQS knows *queue* by."""
        return sqs_name(self._prefix, queue)

    def url(self, queue: str) -> str | None:
        """The URL of *queue*, where it is known.

        :raises QueueNotPredefined: it is not one of the predefined queues, which must be used.
        """
        name = self.canonical(queue)
        if self.predefined and name not in self.predefined:
            raise self._not_predefined(name)
        return self.urls.get(name)

    def client(self, queue: str | None = None, *, once: bool = False) -> Any:
        """The boto3 client that serves *queue*.

        :param once: the one that tries each request once.
        :raises QueueNotPredefined: it is not one of the predefined queues, which must be used.
        """
        return self._client("sqs once" if once else "sqs", self._identity(queue))

    def s3(self) -> Any:
        """The boto3 client for S3."""
        return self._client("s3", self._identity(None))

    def renew_after_fork(self) -> None:
        """Forget the parent's clients and locks, in a forked child."""
        self._making = threading.RLock()
        self._inherited.append(self._clients)
        self._clients = {}

    def new_client(self, service: str, identity: Identity, config: Config | None = None) -> Any:
        """A boto3 client for *service* (``"sqs"`` or another), not kept here.

        :raises ConfigurationError: the endpoint's URL is none.
        """
        chosen = Config(
            **{
                "connect_timeout": CONNECT_TIMEOUT,
                "read_timeout": READ_TIMEOUT,
                "max_pool_connections": _CONNECTIONS,
                "tcp_keepalive": True,
                **(self.options.get("client-config") or {}),
            }
        )
        session = boto3.session.Session(
            region_name=identity.region,
            aws_access_key_id=identity.access_key_id,
            aws_secret_access_key=identity.secret_access_key,
            aws_session_token=identity.session_token,
        )
        is_secure = self.options.get("is_secure")
        endpoint = self.options.get("s3_endpoint_url") if service == "s3" else self.endpoint
        try:
            return session.client(
                service,
                config=chosen.merge(config) if config else chosen,
                endpoint_url=endpoint,
                use_ssl=True if is_secure is None else is_secure,
            )
        except ValueError as exc:
            raise ConfigurationError(f"No client can be made for {endpoint}: {exc}") from exc

    def _client(self, kind: str, identity: Identity) -> Any:
        # Without the lock where it is there: this is asked for each request.
        client = self._clients.get((kind, identity))
        if client is None:
            with self._making:
                client = self._clients.get((kind, identity))
                if client is None:
                    client = self._clients[kind, identity] = self._new(kind, identity)
        return client

    def _new(self, kind: str, identity: Identity) -> Any:
        if kind == "s3":
            return self.new_client("s3", identity)
        once = Config(retries={"total_max_attempts": 1}) if kind == "sqs once" else None
        client = self.new_client("sqs", identity, once)
        make_abortable(client)
        client.meta.events.register("response-received.sqs", refuse_other_bodies)
        return client

    def _identity(self, queue: str | None) -> Identity:
        own: Mapping[str, Any] = {}
        if queue is not None and self.predefined:
            name = self.canonical(queue)
            if name not in self.predefined:
                raise self._not_predefined(name)
            own = self.predefined[name]
        access_key_id, secret_access_key = self._keys
        return Identity(
            region=own.get("region") or self.region,
            access_key_id=own.get("access_key_id", access_key_id),
            secret_access_key=own.get("secret_access_key", secret_access_key),
            session_token=own.get("session_token"),
        )

    def _not_predefined(self, name: str) -> QueueNotPredefined:
        return self._undefined(
            f"Queue with name {name!r} must be defined in 'predefined_queues'.",
            operation="GetQueueUrl",
            queue=name,
            code="QueueNotPredefined",
        )

    def _under_every_name(
        self, predefined: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Mapping[str, Any]]:
        """*predefined* by the name as it was given, as it is used, and as SQS would spell it.

        Whoever gave it may have written the prefix of all queues before it or not.
        """
        named: dict[str, Mapping[str, Any]] = {}
        for name, queue in predefined.items():
            named[self.canonical(name)] = queue
            named[sqs_name("", name)] = queue
            named[name.removeprefix(self._prefix)] = queue
        return {**named, **predefined}
