"""System checks: settings and queue names that cannot work, with the fix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from django_sqs_kombu import BigMessage
from django_sqs_kombu.exceptions import QueueNameError
from django_sqs_kombu.registration import FEW_RECEIVES

from .conf import conf
from .message import ModelInstanceMessage
from .operations.queues import targets
from .problems import problems, strange_region, unknown, unknown_options
from .registered_queue import RegisteredQueue
from .registry import receivers
from .setting_rules import split_url
from .tasks.schedules import task_schedules

SETTING = "django_sqs.E001"
QUEUE_NAME = "django_sqs.E002"
CLASH = "django_sqs.E003"
ANY_MODEL = "django_sqs.W001"
APP_MISSING = "django_sqs.E004"
PLAIN_HTTP = "django_sqs.W002"
EAGER = "django_sqs.W004"
BURIES_EARLY = "django_sqs.W005"
ANY_OBJECT = "django_sqs.W006"
RUNSERVER = "django_sqs.W023"
LOCAL_CACHE = "django_sqs.W003"
NO_PREFIX = "django_sqs.W010"
UNKNOWN = "django_sqs.W011"
NO_REGION = "django_sqs.W025"
LOCAL_SERVER = "django_sqs.W026"
PASSWORD = "django_sqs.W012"  # noqa: S105 - none itself
NOT_REGISTERED = "django_sqs.W020"
NOTHING_TICKS = "django_sqs.W024"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - binds none


@register("django_sqs")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every setting has a value that can work, and is one that is read."""
    found: list[CheckMessage] = []
    for problem in problems():
        kind, number = (Error, SETTING) if problem.stops_commands else (CheckWarning, NO_PREFIX)
        found.append(kind(problem.text, hint=problem.hint, obj=problem.setting, id=number))
    for name, near in unknown():
        hint = f"Did you mean {near}?" if near else "Remove it, or silence this warning."
        text = f"{name} is not a setting of django_sqs."
        found.append(CheckWarning(text, hint=hint, obj=name, id=UNKNOWN))
    for name, near in unknown_options():
        text = f"SQS_TRANSPORT_OPTIONS: the transport has no option {name!r}."
        hint = f"Did you mean {near!r}?"
        found.append(CheckWarning(text, hint=hint, obj="SQS_TRANSPORT_OPTIONS", id=UNKNOWN))
    if strange := strange_region():
        name, region = strange
        found.append(
            CheckWarning(
                f"{name} is {region!r}, which is not the name of an AWS region.",
                hint="Use the region's code, such as 'eu-central-1'.",
                obj=name,
                id=NO_REGION,
            )
        )
    wake = split_url(conf.wake)
    if wake is not None and wake.password:
        found.append(
            CheckWarning(
                "SQS_WAKE holds a password, which Django's debug pages show.",
                hint="Put it into SQS_WAKE_PASSWORD, and out of the URL.",
                obj="SQS_WAKE",
                id=PASSWORD,
            )
        )
    return found


@register("django_sqs", deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Nothing that is for tests or for development alone."""
    found: list[CheckMessage] = []
    if conf.eager:
        found.append(
            CheckWarning(
                "SQS_EAGER is set: nothing is sent to SQS, receivers run where send() is called.",
                hint="Set it in test settings only.",
                obj="SQS_EAGER",
                id=EAGER,
            )
        )
    if conf.value("SQS_RUN_WITH_RUNSERVER"):
        found.append(
            CheckWarning(
                "SQS_RUN_WITH_RUNSERVER is set, which is for development: without DEBUG it "
                "receives nothing.",
                hint="Run runreceiver, or for a small site django_sqs.asgi.lifespan or gunicorn's "
                "hooks.",
                obj="SQS_RUN_WITH_RUNSERVER",
                id=RUNSERVER,
            )
        )
    for setting, url in conf.endpoints.items():
        parts = split_url(url)
        if parts and parts.hostname in LOOPBACK and not settings.DEBUG:
            # Without a password.
            host = parts.netloc.rpartition("@")[2]
            found.append(
                CheckWarning(
                    f"{setting} is {parts.scheme}://{host}, a server on this machine, and "
                    "DEBUG is False: nothing goes to AWS.",
                    hint="In production set it to None, for AWS; or silence this warning.",
                    obj=setting,
                    id=LOCAL_SERVER,
                )
            )
    return found


@register("django_sqs")
def check_lambda_queues(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """What is left to Lambda is a registered queue, else a worker goes on with it."""
    if _settings_are_wrong():
        return []
    return [
        CheckWarning(
            f"SQS_LAMBDA_QUEUES names {name!r}, but no receiver is registered for a queue of "
            "that name.",
            hint="Name queues as they are registered, without prefix and suffix.",
            obj="SQS_LAMBDA_QUEUES",
            id=NOT_REGISTERED,
        )
        for name in sorted(conf.lambda_queues)
        if name not in receivers.queues or receivers.queues[name].receiver is None
    ]


@register("django_sqs")
def check_who_ticks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Schedules have a worker that sends their slots: Lambda runs nothing by itself."""
    if _settings_are_wrong() or not conf.lambda_queues:
        return []
    queues = [queue for queue in receivers.select() if queue.receiver is not None]
    scheduled = sorted([q.name for q in queues if q.schedule is not None] + [*task_schedules])
    if not scheduled or any(queue.name not in conf.lambda_queues for queue in queues):
        return []
    return [
        CheckWarning(
            f"SQS_LAMBDA_QUEUES leaves every queue to AWS Lambda, where nothing sends the slots "
            f"of schedules ({', '.join(scheduled)}).",
            hint="Have a worker receive from one of the queues, or send these messages by Amazon "
            "EventBridge Scheduler.",
            obj="SQS_LAMBDA_QUEUES",
            id=NOTHING_TICKS,
        )
    ]


@register("django_sqs")
def check_queue_names(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Every queue has a name that SQS takes, and one of its own."""
    if _settings_are_wrong():
        return []
    found: list[CheckMessage] = []
    users: dict[str, list[str]] = defaultdict(list)
    for target in targets(receivers.select()):
        try:
            users[target.full_name].append(target.label)
        except QueueNameError as exc:
            found.append(
                Error(
                    str(exc),
                    hint="Shorten queue_name, the suffix or SQS_QUEUE_PREFIX.",
                    obj=target.label,
                    id=QUEUE_NAME,
                )
            )
    for name, labels in users.items():
        if len(labels) > 1:
            found.append(
                Error(
                    f"{' and '.join(labels)} all have the name {name!r} in SQS.",
                    hint="Give one of them another queue_name or suffix.",
                    obj=labels[0],
                    id=CLASH,
                )
            )
    return found


@register("django_sqs")
def check_options(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What a stranger could read, rows of any model or the traffic, and missing apps."""
    if _settings_are_wrong():
        return []
    found: list[CheckMessage] = []
    for queue in receivers.select():
        takes_rows = queue.receiver and issubclass(queue.message_class, ModelInstanceMessage)
        if takes_rows and isinstance(queue, RegisteredQueue) and queue.models is None:
            found.append(
                CheckWarning(
                    f"Queue {queue.name!r} gives its receiver rows of any model that a message "
                    "names.",
                    hint="List the models to allow: models=[...] in @receiver or register().",
                    obj=queue.name,
                    id=ANY_MODEL,
                )
            )
        if queue.buries_early:
            found.append(
                CheckWarning(
                    f"Queue {queue.name!r} has max_receives={queue.options.max_receives}: SQS may "
                    "count a receive that no receiver saw, and so dead-letter a message that "
                    "never failed.",
                    hint=f"Set max_receives to {FEW_RECEIVES} or more.",
                    obj=queue.name,
                    id=BURIES_EARLY,
                )
            )
        takes_objects = queue.receiver and issubclass(queue.message_class, BigMessage)
        if takes_objects and getattr(queue.message_class, "buckets", None) is None:
            found.append(
                CheckWarning(
                    f"Queue {queue.name!r} reads and deletes any S3 object that a message names.",
                    hint="Give it a message class of its own: class Videos(BigMessage): "
                    'buckets = ["a-bucket/incoming/"]',
                    obj=queue.name,
                    id=ANY_OBJECT,
                )
            )
        if getattr(queue, "once", False) and not apps.is_installed("django_sqs.inbox"):
            found.append(
                Error(
                    f"Queue {queue.name!r} is registered with once=True, which needs the inbox.",
                    hint="Add 'django_sqs.inbox' to INSTALLED_APPS and migrate.",
                    obj=queue.name,
                    id=APP_MISSING,
                )
            )
    if _wakes_only_itself():
        found.append(
            CheckWarning(
                "SQS_WAKE names a cache that processes do not share, so no wake-up call reaches "
                "a worker.",
                hint="Use a cache such as Redis, Memcached, a database or files, or 'postgres'.",
                obj="SQS_WAKE",
                id=LOCAL_CACHE,
            )
        )
    for setting, url in conf.endpoints.items():
        parts = split_url(url)
        if parts and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            found.append(
                CheckWarning(
                    f"{setting} is a plain http URL: messages and signatures travel unencrypted.",
                    hint="Use https, or a server on this machine.",
                    obj=setting,
                    id=PLAIN_HTTP,
                )
            )
    return found


def _settings_are_wrong() -> bool:
    """Whether what follows from the settings cannot be told: they are to be fixed first."""
    return any(problem.stops_commands for problem in problems())


def _wakes_only_itself() -> bool:
    kind, _, alias = (conf.wake or "").partition(":")
    return kind == "cache" and isinstance(caches[alias or "default"], LocMemCache | DummyCache)
