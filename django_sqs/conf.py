"""The settings: their defaults, units and rules. Nothing else reads django.conf."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_sqs_kombu.transport.sqs.declaration import WIRE_FORMATS

#: A token that could be guessed opens the views to anybody.
SHORTEST_TOKEN = 16

_WAKE = re.compile(r"(cache|postgres)(:\S+)?|(rediss?|unix)://\S+")

Rule = Callable[[Any], "str | None"]


def _text(value: Any) -> str | None:
    return None if value is None or isinstance(value, str) else "must be a string"


def _token(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) >= SHORTEST_TOKEN):
        return None
    return f"must be a string of {SHORTEST_TOKEN} characters or more"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be True or False"


def _mapping(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be a dict"


def _number(low: float, high: float, *, whole: bool) -> Rule:
    kind = "a whole number" if whole else "a number"

    def rule(value: Any) -> str | None:
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if right and low <= value <= high:
            return None
        return f"must be {kind} from {low:,} to {high:,}"

    return rule


def _url(value: Any) -> str | None:
    if value in (None, ""):
        return None
    if isinstance(value, str):
        parts = urlsplit(value)
        if parts.scheme in ("http", "https") and parts.hostname:
            return None
    return "must be a URL such as 'http://127.0.0.1:4566'"


def _wake(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _WAKE.fullmatch(value)):
        return None
    return "must be 'cache', 'postgres', either with ':ALIAS', or a URL such as 'redis://host'"


def _wire_format(value: Any) -> str | None:
    return None if value in WIRE_FORMATS else f"must be one of {', '.join(WIRE_FORMATS)}"


def _prefix(value: Any) -> str | None:
    if not value or (isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_-]+", value)):
        return None
    return "must be made of letters, digits, '-' and '_', as SQS's queue names"


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
    "AWS_ACCESS_KEY_ID": Setting(None, "access key; None: boto3's chain of credentials", _text),
    "AWS_SECRET_ACCESS_KEY": Setting(None, "secret key; None: boto3's chain", _text),
    "AWS_REGION": Setting(None, "AWS region; None: boto3's own, else us-east-1", _text),
    "SQS_QUEUE_PREFIX": Setting("", "joined before queue names with '__'", _prefix),
    "SQS_DEFAULT_VISIBILITY_TIMEOUT": Setting(
        60, "seconds a received message stays hidden", _number(0, 43_200, whole=True)
    ),
    "SQS_POLL_PERIOD": Setting(10, "seconds one poll waits", _number(0, 20, whole=True)),
    "SQS_POLL_MAX_IDLE": Setting(
        0,
        "seconds from one poll of an idle queue to the next, at most; 0: no rests",
        _number(0, 43_200, whole=False),
    ),
    "SQS_WAKE": Setting(None, "channel that wakes resting workers when something is sent", _wake),
    "SQS_WAIT_TIME": Setting(
        60, "seconds between sqs_wait's looks", _number(0, 86_400, whole=False)
    ),
    "SQS_WAIT_CYCLES": Setting(
        1, "wait times for which queues must stay empty", _number(0, 1_000_000, whole=True)
    ),
    "SQS_ENDPOINT_URL": Setting(None, "another server than AWS's", _url),
    "SQS_CREATE_QUEUES": Setting(True, "create missing queues on first use", _flag),
    "SQS_WIRE_FORMAT": Setting("kombu", "format of messages sent: kombu or raw", _wire_format),
    "SQS_RESTART_BACKOFF": Setting(
        10, "seconds of RestartLater's first backoff", _number(0, 43_200, whole=False)
    ),
    "SQS_RESTART_BACKOFF_MAX": Setting(
        900, "seconds of its longest backoff", _number(0, 43_200, whole=False)
    ),
    "SQS_GRACE_PERIOD": Setting(
        30, "seconds running receivers may take at a stop", _number(0, 86_400, whole=False)
    ),
    "SQS_STATUS_CACHE_TIMEOUT": Setting(
        10, "seconds the status view is cached", _number(0, 86_400, whole=False)
    ),
    "SQS_ACK_LINGER": Setting(
        0.1, "seconds deletes wait for others to share a request", _number(0, 10, whole=False)
    ),
    "SQS_SEND_ON_COMMIT": Setting(False, "send when the database transaction is committed", _flag),
    "SQS_VIEWS_PUBLIC": Setting(False, "anybody may see the views", _flag),
    "SQS_VIEW_TOKEN": Setting(None, "bearer token that opens the views", _token),
    "SQS_CLOUDWATCH": Setting(False, "the pages ask CloudWatch for the oldest message", _flag),
    "SQS_EAGER": Setting(False, "send() runs the receiver at once, without SQS", _flag),
    "SQS_OPENTELEMETRY": Setting(False, "spans and metrics by OpenTelemetry", _flag),
    "SQS_LARGE_PAYLOAD_BUCKET": Setting(
        None, "S3 bucket for payloads above SQS's 1 MiB; None: they are an error", _text
    ),
    "SQS_S3_ENDPOINT_URL": Setting(None, "another S3 server than AWS's", _url),
    "SQS_TRANSPORT_OPTIONS": Setting({}, "further options of the Kombu transport", _mapping),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A setting that cannot work: its name, what is wrong, and the mend."""

    setting: str
    text: str
    hint: str


class Conf:
    """The project's settings, typed; read at each access, so that tests may override them."""

    def value(self, name: str) -> Any:
        """The value of a setting, or its default."""
        return getattr(settings, name, SETTINGS[name].default)

    @property
    def prefix(self) -> str:
        """Joined before each queue's name; may be empty."""
        return self.value("SQS_QUEUE_PREFIX") or ""

    @property
    def visibility_timeout(self) -> int:
        """Seconds, for queues that name none."""
        return int(self.value("SQS_DEFAULT_VISIBILITY_TIMEOUT"))

    @property
    def wire_format(self) -> str:
        """The format of messages sent."""
        return str(self.value("SQS_WIRE_FORMAT"))

    @property
    def wait_time(self) -> float:
        """Seconds between two looks of sqs_wait."""
        return float(self.value("SQS_WAIT_TIME"))

    @property
    def wait_cycles(self) -> int:
        """Wait times for which queues must stay empty."""
        return int(self.value("SQS_WAIT_CYCLES"))

    @property
    def grace_period(self) -> float:
        """Seconds that running receivers may take at a stop."""
        return float(self.value("SQS_GRACE_PERIOD"))

    @property
    def poll_max_idle(self) -> float:
        """Seconds from one poll of an idle queue to the next, at most; 0: no rests."""
        return float(self.value("SQS_POLL_MAX_IDLE"))

    @property
    def wake(self) -> str | None:
        """The channel that wakes resting workers."""
        channel: str | None = self.value("SQS_WAKE")
        return channel

    @property
    def eager(self) -> bool:
        """Whether send() runs the receiver at once."""
        return bool(self.value("SQS_EAGER"))

    @property
    def cloudwatch(self) -> bool:
        """Whether the pages ask CloudWatch for the age of the oldest message."""
        return bool(self.value("SQS_CLOUDWATCH"))

    @property
    def opentelemetry(self) -> bool:
        """Whether spans and metrics are made by OpenTelemetry."""
        return bool(self.value("SQS_OPENTELEMETRY"))

    @property
    def status_cache_timeout(self) -> float:
        """Seconds the status view is cached."""
        return float(self.value("SQS_STATUS_CACHE_TIMEOUT"))

    @property
    def send_on_commit(self) -> bool:
        """Whether messages wait for the commit of the database transaction."""
        return bool(self.value("SQS_SEND_ON_COMMIT"))

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        """Django's own setting TASKS: backends of the Tasks framework by alias."""
        return dict(getattr(settings, "TASKS", None) or {})

    @property
    def views_public(self) -> bool:
        """Whether anybody may see the views."""
        return bool(self.value("SQS_VIEWS_PUBLIC"))

    @property
    def view_token(self) -> str | None:
        """The bearer token that opens the views."""
        token: str | None = self.value("SQS_VIEW_TOKEN")
        return token

    @property
    def create_queues(self) -> bool:
        """Whether missing queues are created on first use."""
        return bool(self.value("SQS_CREATE_QUEUES"))

    @property
    def region(self) -> str | None:
        """The AWS region, or None for boto3's own."""
        region: str | None = self.value("AWS_REGION")
        return region

    @property
    def large_payload_bucket(self) -> str | None:
        """The S3 bucket of payloads above SQS's limit."""
        bucket: str | None = self.value("SQS_LARGE_PAYLOAD_BUCKET")
        return bucket

    @property
    def endpoints(self) -> dict[str, str]:
        """The servers other than AWS's, by their settings."""
        names = ("SQS_ENDPOINT_URL", "SQS_S3_ENDPOINT_URL")
        return {name: self.value(name) for name in names if self.value(name)}

    @property
    def credentials(self) -> tuple[str | None, str | None]:
        """Access key and secret key, or None and None for boto3's chain."""
        return self.value("AWS_ACCESS_KEY_ID"), self.value("AWS_SECRET_ACCESS_KEY")

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
        for option, name in (
            ("region", "AWS_REGION"),
            ("endpoint_url", "SQS_ENDPOINT_URL"),
            ("large_payload_bucket", "SQS_LARGE_PAYLOAD_BUCKET"),
            ("s3_endpoint_url", "SQS_S3_ENDPOINT_URL"),
        ):
            if value := self.value(name):
                options[option] = value
        return {**options, **self.value("SQS_TRANSPORT_OPTIONS")}

    def problems(self) -> list[Problem]:
        """What is wrong with the settings."""
        found = []
        for name, setting in SETTINGS.items():
            value = self.value(name)
            wrong = setting.rule(value)
            # A secret is never shown, not even a wrong one.
            hidden = name.startswith("AWS_") or name in ("SQS_VIEW_TOKEN", "SQS_WAKE")
            shown = "" if hidden else f", not {value!r}"
            if wrong:
                found.append(
                    Problem(name, f"{name} {wrong}{shown}.", f"It means: {setting.meaning}.")
                )
        key, secret = self.credentials
        if bool(key) != bool(secret):
            missing = "AWS_SECRET_ACCESS_KEY" if key else "AWS_ACCESS_KEY_ID"
            given = "AWS_ACCESS_KEY_ID" if key else "AWS_SECRET_ACCESS_KEY"
            found.append(
                Problem(
                    missing,
                    f"{missing} is missing while {given} is set.",
                    f"Set both, or neither: then boto3's chain of credentials serves. "
                    f"Remove {given} or add {missing}.",
                )
            )
        if settings.DEBUG and not self.prefix:
            found.append(
                Problem(
                    "SQS_QUEUE_PREFIX",
                    "SQS_QUEUE_PREFIX is required when DEBUG is true.",
                    "Set it to a name of your own, such as 'dev-alice', so that your queues "
                    "never clash with those of other developers or of production.",
                )
            )
        return found

    def require_valid(self) -> None:
        """Raise ImproperlyConfigured for the first problem, before any request is sent."""
        for problem in self.problems():
            raise ImproperlyConfigured(f"{problem.text} {problem.hint}")


conf = Conf()
