"""Account: whose SQS a connection speaks to; its clients, names, endpoint and options."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from ...exceptions import ConfigurationError, QueueNotPredefined
from .abort import make_abortable
from .answers import refuse_other_bodies
from .certificates import check_bundle
from .doubts import note_tries
from .forks import renew_after_fork
from .naming import sqs_name
from .s3_answers import refuse_other_answers
from .sessions import Identity, Role, new_session
from .shield import shield_requests
from .throttling import show_throttling
from .waits import bound_waits
from .wire.choice import Lane, new_lane

#: Seconds that credentials which SQS refuses are used before they are looked for again.
FIND_AGAIN = 10.0
#: What the frequent requests go over: libcurl where that serves as well, or always botocore.
AUTO, BOTOCORE = "auto", "botocore"
DEFAULT_REGION = "us-east-1"
#: Seconds to wait for a connection, and for the answer to everything but a long poll: well
#: below what a lease has left when its renewal is due.
CONNECT_TIMEOUT, READ_TIMEOUT = 3, 5
#: Whoever waits for an object tries again himself.
_S3_RETRIES = {"total_max_attempts": 3, "mode": "standard"}
#: With botocore's 10 connections, pollers and receivers would throw connections away.
_CONNECTIONS = 100


class Account:
    """What one connection knows of its SQS; safe to use from any thread.

    :param options: the transport options.
    :param access_key_id: the connection's own key, if it was given one, and
        *secret_access_key*, its secret.
    :param endpoint: the URL of a server other than AWS's.
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
        chosen = {
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "max_pool_connections": _CONNECTIONS,
            "tcp_keepalive": True,
            **(options.get("client-config") or {}),
        }
        self._config = Config(**chosen)
        #: Seconds to wait for the answer to everything but a long poll.
        self.read_timeout = float(chosen["read_timeout"])
        self._wire = str(options.get("wire", AUTO))
        if self._wire not in (AUTO, BOTOCORE):
            raise ConfigurationError(
                f"The transport option wire is {self._wire!r}: it must be {AUTO!r} or {BOTOCORE!r}"
            )
        self._undefined = undefined
        self._keys = (access_key_id, secret_access_key)
        self._prefix = str(options.get("queue_name_prefix") or "")
        self.predefined = self._under_every_name(options.get("predefined_queues") or {})
        self.urls: dict[str, str] = {
            name: queue["url"] for name, queue in self.predefined.items() if "url" in queue
        }
        self._region: str | None = None
        self._clients: dict[tuple[str, Identity], Any] = {}
        #: None: there can be none.
        self._lanes: dict[Identity, Lane | None] = {}
        self._identities: dict[str | None, Identity] = {}
        #: With the time that each was made, on the monotonic clock.
        self._sessions: dict[Identity, tuple[Any, Any, float]] = {}
        #: Of the parent process, kept: to close its connections here would be of no use.
        self._inherited: list[object] = []
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

    def lane(self, queue: str) -> Lane | None:
        """What sends a client's frequent requests over libcurl; None: the client sends them."""
        if self._wire == BOTOCORE:
            return None
        identity = self._identity(queue)
        if identity not in self._lanes:
            client = self._client("sqs", identity)
            with self._making:
                _, core = self._session(identity)
                self._lanes.setdefault(identity, new_lane(client, core))
        return self._fitting(identity)

    def lane_made(self, queue: str) -> Lane | None:
        """As :meth:`lane`, but None where it is still to be made, which may take long, or fail."""
        identity = self._identities.get(queue if self.predefined else None)
        return None if identity is None else self._fitting(identity)

    def _fitting(self, identity: Identity) -> Lane | None:
        lane = self._lanes.get(identity)
        return lane if lane is not None and lane.fits else None

    def s3(self) -> Any:
        """The boto3 client for S3."""
        return self._client("s3", self.identity(None))

    def renew_after_fork(self) -> None:
        """Forget the parent's clients and locks, in a forked child."""
        self._making = threading.RLock()
        self._inherited.append((self._clients, self._sessions, self._lanes))
        self._clients, self._sessions, self._lanes = {}, {}, {}

    def renew_credentials(self, queue: str, *, at_once: bool) -> None:
        """Find the credentials for *queue* again for its next request.

        :param at_once: even where they were found just now.
        """
        identity = self.identity(queue)
        with self._making:
            _, _, made_at = self._sessions.get(identity, (None, None, 0.0))
            if at_once or time.monotonic() - made_at >= FIND_AGAIN:
                self._sessions.pop(identity, None)
                for key in [key for key in self._clients if key[1] == identity]:
                    del self._clients[key]
                self._lanes.pop(identity, None)

    def new_client(self, service: str, identity: Identity, config: Config | None = None) -> Any:
        """A boto3 client for *service* (``"sqs"`` or another), not kept here.

        :raises ConfigurationError: the endpoint's URL is none, or the file that certificates
            are to be checked against is not there.
        """
        endpoint = self.options.get("s3_endpoint_url") if service == "s3" else self.endpoint
        is_secure = self.options.get("is_secure")
        is_secure = True if is_secure is None else bool(is_secure)
        with self._making:
            session, core = self._session(identity)
            if endpoint.startswith("https") if endpoint else is_secure:
                check_bundle(core)
            try:
                return session.client(
                    service,
                    config=self._config.merge(config) if config else self._config,
                    endpoint_url=endpoint,
                    use_ssl=is_secure,
                )
            except ValueError as exc:
                where = endpoint or "AWS"
                raise ConfigurationError(f"No client can be created for {where}: {exc}") from exc

    def _session(self, identity: Identity) -> tuple[Any, Any]:
        if identity not in self._sessions:
            self._sessions[identity] = (*new_session(identity), time.monotonic())
        session, core, _ = self._sessions[identity]
        return session, core

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
            few = None if self._config.retries else Config(retries=_S3_RETRIES)
            client = self.new_client("s3", identity, few)
            bound_waits(client)
            refuse_other_answers(client)
            shield_requests(client)
            return client
        once = Config(retries={"total_max_attempts": 1}) if kind == "sqs once" else None
        client = self.new_client("sqs", identity, once)
        make_abortable(client)
        shield_requests(client)
        note_tries(client)
        show_throttling(client)
        client.meta.events.register("response-received.sqs", refuse_other_bodies)
        return client

    def _identity(self, queue: str | None) -> Identity:
        # Asked for each request, and always the same.
        key = queue if self.predefined else None
        known = self._identities.get(key)
        if known is None:
            known = self._identities[key] = self.identity(key)
        return known

    def identity(self, queue: str | None = None, *, region: str | None = None) -> Identity:
        """Whom AWS takes the client for *queue* for.

        :raises QueueNotPredefined: it is not one of the predefined queues, which must be used.
        """
        own: Mapping[str, Any] = {}
        if queue is not None and self.predefined:
            name = self.canonical(queue)
            if name not in self.predefined:
                raise self._not_predefined(name)
            own = self.predefined[name]
        keys = (*self._keys, self.options.get("session_token"))
        if "access_key_id" in own or "secret_access_key" in own:
            # A token belongs to the keys that it was given with.
            names = ("access_key_id", "secret_access_key")
            keys = (*map(own.get, names, self._keys), own.get("session_token"))
        access_key_id, secret_access_key, session_token = keys
        arn = own.get("sts_role_arn") or self.options.get("sts_role_arn")
        return Identity(
            region=region or own.get("region") or self.region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_token=session_token if access_key_id else None,
            role=Role.of(self.options, arn),
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
