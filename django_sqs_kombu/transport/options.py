"""Options: what the transport options say."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from kombu.transport import SQS

from ..exceptions import ConfigurationError, QueueNotPredefined
from ..quotas import MAX_VISIBILITY_TIMEOUT, MAX_WAIT_TIME
from ..rules import Rule, bucket, number, optional, shown, whole
from .body.objects import MAX_OBJECT_BYTES
from .body.payloads import OLD_SIZE_ATTRIBUTE, PREFIX, SIZE_ATTRIBUTE, LargePayloads
from .receiving.pause_watch import PERIOD
from .settling.backoff import Backoff, BackoffPolicy
from .sqs.clients import Account
from .sqs.sessions import Identity

#: Message attributes that this library reads, whatever else an option chooses.
OUR_ATTRIBUTES = ("django_sqs.*", SIZE_ATTRIBUTE, OLD_SIZE_ATTRIBUTE)
#: The same of those that SQS itself gives each message.
OUR_SYSTEM_ATTRIBUTES = (
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageGroupId",
    "SentTimestamp",
)


#: The transport options by name: this library's own, and those of kombu's transport.
KNOWN = frozenset(
    {
        "ack_linger",
        "backoff_base",
        "backoff_jitter",
        "backoff_max",
        "break_off_polls",
        "client-config",
        "create_queues",
        "endpoint_url",
        "eta_as_delay",
        "fetch_message_attributes",
        "is_secure",
        "large_payload_bucket",
        "large_payload_max_bytes",
        "large_payload_prefix",
        "pause_look",
        "poll_max_idle",
        "polling_interval",
        "predefined_exchanges",
        "predefined_queues",
        "queue_name_prefix",
        "queue_tags",
        "region",
        "s3_endpoint_url",
        "session_token",
        "sqs-creation-attributes",
        "sts_endpoint_url",
        "sts_role_arn",
        "sts_token_buffer_time",
        "sts_token_timeout",
        "supports_fanout",
        "visibility_timeout",
        "wait_time_seconds",
        "wire",
    }
)

#: A day, in seconds: as long as anything here may wait.
_DAY = 86_400
#: What some options must be: with other values polls, restarts or uploads fail, and go on failing.
_RULES: dict[str, Rule] = {
    "ack_linger": number(0, _DAY),
    "backoff_base": number(0, MAX_VISIBILITY_TIMEOUT),
    "backoff_max": number(0, MAX_VISIBILITY_TIMEOUT),
    "large_payload_bucket": bucket,
    "large_payload_max_bytes": whole(1),
    "pause_look": number(0, _DAY),
    "poll_max_idle": number(0, _DAY),
    "polling_interval": optional(number(0, _DAY)),
    "wait_time_seconds": number(0, MAX_WAIT_TIME),
}


def wrong_options(options: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with transport options, each in a sentence without its end."""
    for name, rule in _RULES.items():
        if name in options and (wrong := rule(options[name])):
            yield f"{name} {wrong}, not {shown(options[name])}"


def check_options(options: Mapping[str, Any]) -> None:
    """Raise :class:`ConfigurationError` for the first transport option that cannot work."""
    for wrong in wrong_options(options):
        raise ConfigurationError(f"The transport option {wrong}")


class UndefinedQueue(QueueNotPredefined, SQS.UndefinedQueueException):  # type: ignore[misc]
    """As the library and as Kombu name it."""


class OptionsChannel(SQS.Channel):  # type: ignore[misc]
    """Kombu's SQS channel with more transport options, which are only read here.

    Transport options besides those of kombu's SQS transport:

    ``endpoint_url``
        the complete URL of a server other than AWS's, such as ``http://127.0.0.1:4566``.
    ``create_queues``
        whether a queue that does not exist is created on first use (default True).
    ``ack_linger``
        seconds that deletes and visibility changes wait for others to share a request
        with (default 0.1).
    ``large_payload_bucket``, ``s3_endpoint_url``, ``sts_endpoint_url``
        the S3 bucket for payloads over SQS's limit, and URLs of servers other than AWS's.
    ``large_payload_prefix``, ``large_payload_max_bytes``
        the prefix of the keys of payloads, and how large these may be (default
        ``django-sqs/`` and 256 MiB).
    ``backoff_base``, ``backoff_max``
        seconds of the first and the longest delay of a requeue without a delay
        (default 10 and 900).
    ``backoff_jitter``
        whether up to half is added to such a delay at random (default True).
    ``poll_max_idle``
        maximum seconds between two polls of an idle queue; 0, the default, or
        anything up to 20: it is polled without a break.
    ``pause_look``
        seconds between two checks whether a polled queue is paused (default 60); 0: it is not
        checked, so queues cannot be paused.
    ``break_off_polls``
        whether polls under way are broken off when a channel is closed (default False).  SQS
        may then hide messages that arrive at that moment for their visibility timeout; otherwise
        a close waits for the polls, at most twice ``wait_time_seconds`` or 20 seconds.
    ``wire``
        ``"auto"``, the default: requests about messages use libcurl where possible;
        ``"botocore"``: everything goes over boto3.
    ``eta_as_delay``
        whether a Celery task's ETA or countdown becomes SQS's delay, so that no worker
        holds the task until it is due (default False).
    """

    @cached_property
    def transport_options(self) -> dict[str, Any]:
        """What the connection was made with; kept, since a close leaves the connection."""
        options: dict[str, Any] = super().transport_options
        check_options(options)
        return options

    @cached_property
    def endpoint_url(self) -> str | None:
        """The endpoint, or None for AWS's own."""
        url: str | None = self.transport_options.get("endpoint_url") or super().endpoint_url
        return url

    @cached_property
    def account(self) -> Account:
        """Whose SQS it speaks to; all channels of a connection share it."""
        transport = self.connection
        if transport.account is None:
            transport.account = Account(
                self.transport_options,
                access_key_id=self.conninfo.userid,
                secret_access_key=self.conninfo.password,
                endpoint=self.endpoint_url,
                undefined=UndefinedQueue,
            )
        account: Account = transport.account
        return account

    @cached_property
    def backoff(self) -> Backoff:
        """How long a message that is requeued without a delay stays hidden."""
        options = self.transport_options
        return Backoff(
            options.get("backoff_base", 10),
            options.get("backoff_max", 900),
            options.get("backoff_jitter", True),
        )

    def backoff_policy(self, queue: str) -> BackoffPolicy | None:
        """The backoff policy of the predefined *queue*, if it has one.

        It is found by the queue's name in SQS, which has the ``queue_name_prefix``.
        """
        options = self.predefined_queues.get(self.canonical_queue_name(queue))
        return None if options is None else BackoffPolicy.of(options)

    @cached_property
    def get_message_attributes(self) -> dict[str, Any]:
        """What ReceiveMessage is asked to return: everything, unless an option chooses."""
        if self.fetch_message_attributes is None:
            return {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
        chosen: dict[str, Any] = super().get_message_attributes
        return {
            "MessageAttributeNames": _with(chosen.get("MessageAttributeNames"), OUR_ATTRIBUTES),
            "MessageSystemAttributeNames": _with(
                chosen.get("MessageSystemAttributeNames"), OUR_SYSTEM_ATTRIBUTES
            ),
        }

    @cached_property
    def ack_linger(self) -> float:
        """Seconds that deletes and visibility changes wait for others."""
        return float(self.transport_options.get("ack_linger", 0.1))

    @cached_property
    def poll_max_idle(self) -> float:
        """Seconds from one poll of an idle queue to the next, at most."""
        return float(self.transport_options.get("poll_max_idle", 0))

    @cached_property
    def pause_look(self) -> float:
        """Seconds between two looks whether a queue is paused."""
        return float(self.transport_options.get("pause_look", PERIOD))

    @cached_property
    def break_off_polls(self) -> bool:
        """Whether polls under way are broken off when a channel is closed."""
        return bool(self.transport_options.get("break_off_polls", False))

    @cached_property
    def eta_as_delay(self) -> bool:
        """Whether a Celery task's ETA becomes SQS's delay."""
        return bool(self.transport_options.get("eta_as_delay", False))

    @cached_property
    def payloads(self) -> LargePayloads:
        """What keeps payloads above SQS's limit in S3."""
        options = self.transport_options
        return LargePayloads(
            options.get("large_payload_bucket"),
            self.account.s3,
            options.get("large_payload_prefix", PREFIX),
            int(options.get("large_payload_max_bytes", MAX_OBJECT_BYTES)),
        )

    def new_sqs_client(
        self,
        region: str,
        access_key_id: str | None,
        secret_access_key: str | None,
        session_token: str | None = None,
    ) -> Any:
        """A new boto3 client with these credentials."""
        identity = Identity(region, access_key_id, secret_access_key, session_token)
        return self.account.new_client("sqs", identity)

    def _new_boto_client(
        self,
        service: str,
        region: str,
        access_key_id: str | None,
        secret_access_key: str | None,
        session_token: str | None = None,
        config: Any = None,
    ) -> Any:
        # Kombu's fan-out by SNS asks for it.
        identity = Identity(region, access_key_id, secret_access_key, session_token)
        if self.transport_options.get("sts_role_arn"):
            # These keys are those of the role, and not renewed.
            identity = self.account.identity(region=region)
        return self.account.new_client(service, identity, config)

    def sqs(self, queue: str | None = None) -> Any:
        """The boto3 client that serves *queue*."""
        return self.account.client(queue)

    def canonical_queue_name(self, queue_name: str) -> str:
        """The name that SQS knows a queue by."""
        return self.account.canonical(queue_name)

    @property
    def predefined_queues(self) -> Mapping[str, Mapping[str, Any]]:
        """The options of predefined queues, by every name that they are used under."""
        return self.account.predefined


def _with(chosen: Collection[str] | None, ours: Collection[str]) -> list[str]:
    """The names of attributes that are *chosen*, and *ours*."""
    names = list(chosen or ())
    # Kombu writes it in capitals, SQS's documentation does not.
    if any(name.lower() == "all" for name in names):
        return ["All"]
    return [*names, *(name for name in ours if name not in names)]
