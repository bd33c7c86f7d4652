"""The settings: their defaults, units and rules. Nothing else reads django.conf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Generic, TypeVar

from django.conf import Settings, UserSettingsHolder, settings

from django_sqs_kombu.quotas import LARGEST_MAX_RECEIVES, MAX_VISIBILITY_TIMEOUT
from django_sqs_kombu.rules import (
    GRACE_PERIOD,
    POLL_PERIOD,
    VISIBILITY_TIMEOUT,
    Rule,
    bucket,
    flag,
    mapping,
    name_prefix,
    number,
    one_of,
    optional,
    string,
    whole,
)
from django_sqs_kombu.transport import WIRE_FORMATS
from django_sqs_kombu.working import RETRY_TRIES, Mask, Middleware, Policy, Retry

from .named import (
    exception_classes,
    exceptions_rule,
    mask_of,
    mask_or_path,
    middleware_class,
    middleware_rule,
    policy_of,
    retry_rule,
)
from .setting_rules import queue_names, region, token, url, wake

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    :param default: its value where the project sets none.
    :param meaning: what it is, with its unit.
    :param rule: returns what is wrong with a value, or None.
    """

    default: Any
    meaning: str
    rule: Rule


SETTINGS: dict[str, Setting] = {
    "AWS_ACCESS_KEY_ID": Setting(
        None, "access key; None: boto3's chain of credentials", optional(string)
    ),
    "AWS_SECRET_ACCESS_KEY": Setting(None, "secret key; None: boto3's chain", optional(string)),
    "AWS_SESSION_TOKEN": Setting(
        None, "session token of temporary credentials, with both keys", optional(string)
    ),
    "AWS_REGION": Setting(None, "AWS region; None: boto3's own, else us-east-1", region),
    "SQS_ACCESS_KEY_ID": Setting(
        None,
        "used instead of AWS_ACCESS_KEY_ID, which other code reads, too; '': boto3's chain",
        optional(string),
    ),
    "SQS_SECRET_ACCESS_KEY": Setting(
        None, "with SQS_ACCESS_KEY_ID, used instead of AWS_SECRET_ACCESS_KEY", optional(string)
    ),
    "SQS_SESSION_TOKEN": Setting(
        None, "with SQS_ACCESS_KEY_ID, used instead of AWS_SESSION_TOKEN", optional(string)
    ),
    "SQS_REGION": Setting(None, "used instead of AWS_REGION", region),
    "SQS_QUEUE_PREFIX": Setting("", "put before queue names, joined with '__'", name_prefix),
    "SQS_DEFAULT_VISIBILITY_TIMEOUT": Setting(
        60, "seconds a received message stays hidden", VISIBILITY_TIMEOUT
    ),
    "SQS_POLL_PERIOD": Setting(10, "seconds one poll waits", POLL_PERIOD),
    "SQS_POLL_MAX_IDLE": Setting(
        0,
        "the most seconds from one poll of an idle queue to the next; 0: no pause",
        number(0, MAX_VISIBILITY_TIMEOUT),
    ),
    "SQS_WAKE": Setting(None, "channel that wakes resting workers when something is sent", wake),
    "SQS_WAKE_PASSWORD": Setting(None, "password of SQS_WAKE's Redis server", optional(string)),
    "SQS_WAIT_TIME": Setting(60, "seconds between the checks of sqs_wait", number(0, 86_400)),
    "SQS_WAIT_CYCLES": Setting(
        1, "wait times for which queues must stay empty", whole(0, 1_000_000)
    ),
    "SQS_ENDPOINT_URL": Setting(None, "URL of a server other than AWS's", url),
    "SQS_CREATE_QUEUES": Setting(True, "create missing queues on first use", flag),
    "SQS_WIRE_FORMAT": Setting(
        "kombu", "format of messages sent: kombu or raw", one_of(WIRE_FORMATS)
    ),
    "SQS_RESTART_BACKOFF": Setting(
        10, "seconds of RestartLater's first backoff", number(0, MAX_VISIBILITY_TIMEOUT)
    ),
    "SQS_RESTART_BACKOFF_MAX": Setting(
        900, "seconds of its longest backoff", number(0, MAX_VISIBILITY_TIMEOUT)
    ),
    "SQS_RETRY_ON": Setting(
        # The last is what PostgreSQL says of a server that may only be read, as after a failover.
        ("django.db.OperationalError", "django.db.InterfaceError", "django.db.InternalError"),
        "exceptions of receivers whose cause is temporary: the message is tried again with backoff",
        exceptions_rule,
    ),
    "SQS_RETRY_TRIES": Setting(
        RETRY_TRIES,
        "receives of a message for which these exceptions count as temporary",
        whole(0, LARGEST_MAX_RECEIVES),
    ),
    "SQS_RETRY": Setting(
        None,
        "for queues without retry=: a dict of Retry's arguments, or several; exceptions by path",
        retry_rule,
    ),
    "SQS_DISCARD": Setting(
        None,
        "for queues without discard=: exceptions whose message is deleted",
        optional(exceptions_rule),
    ),
    "SQS_DEAD_LETTER": Setting(
        None,
        "for queues without dead_letter=: exceptions whose message goes to the dead letters",
        optional(exceptions_rule),
    ),
    "SQS_GRACE_PERIOD": Setting(30, "seconds running receivers may take at a stop", GRACE_PERIOD),
    "SQS_MIGRATIONS_PATIENCE": Setting(
        600,
        "seconds that runreceiver waits at its start for migrations to be applied; 0: it starts "
        "at once",
        number(0, 86_400),
    ),
    "SQS_LAMBDA_QUEUES": Setting(
        [],
        "names of queues that lambda_handler receives from, so runreceiver does not",
        queue_names,
    ),
    "SQS_STATUS_CACHE_TIMEOUT": Setting(10, "seconds the status view is cached", number(0, 86_400)),
    "SQS_ACK_LINGER": Setting(
        0.1, "seconds deletes wait for others to share a request", number(0, 10)
    ),
    "SQS_CONN_MAX_AGE": Setting(
        60,
        "seconds a receiver keeps a database connection whose CONN_MAX_AGE is 0; 0: one message",
        number(0, 86_400),
    ),
    "SQS_SEND_ON_COMMIT": Setting(False, "send when the database transaction is committed", flag),
    "SQS_OUTBOX_TRIES": Setting(
        10, "refusals by SQS after which an outbox row is set aside as failed", whole(1, 1_000)
    ),
    "SQS_OUTBOX_GROUP_WAITS": Setting(
        False, "a failed outbox row holds back the rest of its FIFO group", flag
    ),
    "SQS_OUTBOX_MAX_AGE": Setting(
        300, "seconds an outbox row may wait before the check warns", number(1, 1_209_600)
    ),
    "SQS_RESULTS_LOST_AFTER": Setting(
        15,
        "days without a sign of a task after which sqs_prune_results marks its result as failed; "
        "SQS keeps messages for at most 14",
        number(0, 36_500),
    ),
    "SQS_VIEWS_PUBLIC": Setting(False, "the views are open to everybody", flag),
    "SQS_VIEW_TOKEN": Setting(None, "bearer token that opens the views", token),
    "SQS_VERSION": Setting(
        None, "the project's release, which workers report to sqs_health", optional(string)
    ),
    "SQS_CLOUDWATCH": Setting(False, "the pages ask CloudWatch for the oldest message", flag),
    "SQS_EAGER": Setting(False, "send() runs the receiver at once, without SQS", flag),
    "SQS_RUN_WITH_RUNSERVER": Setting(False, "with DEBUG, runserver receives, too", flag),
    "SQS_MASK": Setting(
        None,
        "function, or its dotted path, that gets a queue's name and a body and returns what people "
        "may see of it in logs, failures and the outbox; None: everything",
        optional(mask_or_path),
    ),
    "SQS_MIDDLEWARE": Setting(
        [], "dotted paths of middleware around what is sent and received", middleware_rule
    ),
    "SQS_OPENTELEMETRY": Setting(False, "spans and metrics by OpenTelemetry", flag),
    "SQS_LARGE_PAYLOAD_BUCKET": Setting(
        None, "S3 bucket for payloads above SQS's 1 MiB; None: they are an error", bucket
    ),
    "SQS_S3_ENDPOINT_URL": Setting(None, "URL of an S3 server other than AWS's", url),
    "SQS_TRANSPORT_OPTIONS": Setting({}, "further options of the Kombu transport", mapping),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys that belong together; all None: boto3's chain of credentials.

    :param names: the settings that they come from: key, secret and token.
    """

    names: tuple[str, str, str]
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)


#: Where credentials are looked for: the first of which any key is set, '' included, is used.
CREDENTIALS = (
    ("SQS_ACCESS_KEY_ID", "SQS_SECRET_ACCESS_KEY", "SQS_SESSION_TOKEN"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
)


class Read(Generic[T]):
    """An attribute of :class:`Conf`: one setting, read at each access.

    :param name: the setting, one of :data:`SETTINGS`.
    :param convert: makes the attribute of the setting's value.
    """

    def __init__(self, name: str, convert: Callable[[Any], T]) -> None:
        self.name = name
        self.convert = convert
        self.__doc__ = SETTINGS[name].meaning

    def __get__(self, conf: Conf, owner: type[Conf]) -> T:
        return self.convert(conf.value(self.name))


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def _text_or_empty(value: Any) -> str:
    return str(value or "")


def _value(name: str, default: Any) -> Any:
    """``getattr(settings, name, default)``, at a twentieth of its CPU where it is not set.

    Django raises and catches an exception for each such setting, and a send reads five.
    """
    place = vars(settings).get("_wrapped")
    while type(place) is UserSettingsHolder:
        if name in vars(place):
            return vars(place)[name]
        if name in vars(place)["_deleted"]:
            return default
        place = place.default_settings
    if type(place) is Settings or isinstance(place, ModuleType):
        return vars(place).get(name, default)
    return getattr(settings, name, default)


class Conf:
    """The project's settings, typed; read at each access, so that tests may override them."""

    prefix = Read("SQS_QUEUE_PREFIX", _text_or_empty)
    visibility_timeout = Read("SQS_DEFAULT_VISIBILITY_TIMEOUT", int)
    wire_format = Read("SQS_WIRE_FORMAT", str)
    wait_time = Read("SQS_WAIT_TIME", float)
    wait_cycles = Read("SQS_WAIT_CYCLES", int)
    grace_period = Read("SQS_GRACE_PERIOD", float)
    version = Read("SQS_VERSION", _text_or_empty)
    migrations_patience = Read("SQS_MIGRATIONS_PATIENCE", float)
    poll_max_idle = Read("SQS_POLL_MAX_IDLE", float)
    lambda_queues = Read("SQS_LAMBDA_QUEUES", frozenset[str])
    wake = Read("SQS_WAKE", _text_or_none)
    eager = Read("SQS_EAGER", bool)
    cloudwatch = Read("SQS_CLOUDWATCH", bool)
    opentelemetry = Read("SQS_OPENTELEMETRY", bool)
    status_cache_timeout = Read("SQS_STATUS_CACHE_TIMEOUT", float)
    conn_max_age = Read("SQS_CONN_MAX_AGE", float)
    send_on_commit = Read("SQS_SEND_ON_COMMIT", bool)
    outbox_tries = Read("SQS_OUTBOX_TRIES", int)
    outbox_group_waits = Read("SQS_OUTBOX_GROUP_WAITS", bool)
    outbox_max_age = Read("SQS_OUTBOX_MAX_AGE", float)
    results_lost_after = Read("SQS_RESULTS_LOST_AFTER", float)
    views_public = Read("SQS_VIEWS_PUBLIC", bool)
    view_token = Read("SQS_VIEW_TOKEN", _text_or_none)
    create_queues = Read("SQS_CREATE_QUEUES", bool)
    wake_password = Read("SQS_WAKE_PASSWORD", _text_or_none)
    large_payload_bucket = Read("SQS_LARGE_PAYLOAD_BUCKET", _text_or_none)

    def value(self, name: str) -> Any:
        """The value of a setting, or its default."""
        return _value(name, SETTINGS[name].default)

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """Django's own setting TASKS: backends of the Tasks framework by alias."""
        return dict(getattr(settings, "TASKS", None) or {})

    @property
    def endpoints(self) -> dict[str, str]:
        """The servers other than AWS's, by their settings."""
        names = ("SQS_ENDPOINT_URL", "SQS_S3_ENDPOINT_URL")
        return {name: self.value(name) for name in names if self.value(name)}

    @property
    def passing(self) -> Retry:
        """What receivers may raise for a temporary cause, and for how many receives."""
        return Retry(exception_classes(self.value("SQS_RETRY_ON")), self.value("SQS_RETRY_TRIES"))

    @property
    def policy(self) -> Policy:
        """What is done with a message whose receiver fails, unless its queue says otherwise."""
        return policy_of(
            self.value("SQS_RETRY"), self.value("SQS_DISCARD"), self.value("SQS_DEAD_LETTER")
        )

    @property
    def mask(self) -> Mask | None:
        """What people may see of bodies; None: all.  Nothing while the setting is wrong."""
        return mask_of(self.value("SQS_MASK"))

    @property
    def middleware(self) -> list[type[Middleware]]:
        """The classes that SQS_MIDDLEWARE names; none while it is wrong, which a check says."""
        named = self.value("SQS_MIDDLEWARE")
        return [] if middleware_rule(named) else [middleware_class(each) for each in named]

    @property
    def credentials(self) -> Credentials:
        """The keys to use; those of SQS_* come before those of AWS_*, and are not mixed."""
        for names in CREDENTIALS:
            values = [self.value(name) for name in names]
            if any(value is not None for value in values):
                return Credentials(names, *(value or None for value in values))
        return Credentials(CREDENTIALS[-1])

    @property
    def region(self) -> str | None:
        """SQS_REGION, else AWS_REGION, else None."""
        return _text_or_none(self.value("SQS_REGION") or self.value("AWS_REGION"))

    @property
    def transport_options(self) -> dict[str, Any]:
        """The options of the Kombu transport."""
        options = {
            "wait_time_seconds": self.value("SQS_POLL_PERIOD"),
            "create_queues": self.value("SQS_CREATE_QUEUES"),
            "poll_max_idle": self.value("SQS_POLL_MAX_IDLE"),
            "ack_linger": self.value("SQS_ACK_LINGER"),
            "backoff_base": self.value("SQS_RESTART_BACKOFF"),
            "backoff_max": self.value("SQS_RESTART_BACKOFF_MAX"),
        }
        for option, value in (
            ("region", self.region),
            ("session_token", self.credentials.session_token),
            ("endpoint_url", self.value("SQS_ENDPOINT_URL")),
            ("large_payload_bucket", self.value("SQS_LARGE_PAYLOAD_BUCKET")),
            ("s3_endpoint_url", self.value("SQS_S3_ENDPOINT_URL")),
        ):
            if value:
                options[option] = value
        return {**options, **self.value("SQS_TRANSPORT_OPTIONS")}


conf = Conf()
