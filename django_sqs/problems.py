"""Problems: settings that cannot work, found before any request is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_sqs_kombu.printable import closest
from django_sqs_kombu.rules import shown
from django_sqs_kombu.transport import KNOWN_OPTIONS, wrong_options

from .conf import CREDENTIALS, SETTINGS, conf

#: Where people put the region: boto3 reads the environment's, other packages these settings.
OF_OTHERS = ("AWS_DEFAULT_REGION", "AWS_REGION_NAME")
#: What names of regions look like: us-east-1, us-gov-west-1, eusc-de-east-1.
REGION = re.compile(r"[a-z]+(-[a-z]+)+-[0-9]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """A setting that cannot work: its name, what is wrong, and the fix.

    :param stops_commands: whether ``manage.py`` is to refuse other commands because of it,
        those that send nothing included.
    """

    setting: str
    text: str
    hint: str
    stops_commands: bool = True


def problems() -> Iterator[Problem]:
    """What is wrong with the settings."""
    for name, setting in SETTINGS.items():
        value = conf.value(name)
        if wrong := setting.rule(value):
            told = f", not {shown(value)}" if _may_be_shown(name, value) else ""
            yield Problem(name, f"{name} {wrong}{told}.", f"Meaning: {setting.meaning}.")
    yield from _credentials()
    yield from _options()
    yield from _wake()
    if settings.DEBUG and not conf.prefix:
        yield Problem(
            "SQS_QUEUE_PREFIX",
            "SQS_QUEUE_PREFIX is required when DEBUG is true: nothing is sent or received.",
            "Set it to a name of your own, such as 'dev-alice', so that your queues "
            "never clash with those of other developers or of production.",
            stops_commands=False,
        )


def require_valid() -> None:
    """Raise ImproperlyConfigured for the first problem, before any request is sent."""
    for problem in problems():
        raise ImproperlyConfigured(f"{problem.text} {problem.hint}")


def unknown() -> Iterator[tuple[str, str | None]]:
    """Settings that nothing here reads, each with the known one that is nearest.

    They are named SQS_*, or are where others look for a region and nothing else names one.
    """
    for name in dir(settings):
        if name in OF_OTHERS and conf.region is None:
            yield name, "AWS_REGION"
        if name.startswith("SQS_") and name.isupper() and name not in SETTINGS:
            yield name, closest(name, SETTINGS)


def unknown_options() -> Iterator[tuple[str, str]]:
    """Transport options that look like a known one, each with that.

    Kombu may have others.
    """
    given = conf.value("SQS_TRANSPORT_OPTIONS")
    for name in given if isinstance(given, dict) else ():
        if name not in KNOWN_OPTIONS and (near := closest(name, KNOWN_OPTIONS)):
            yield name, near


def strange_region() -> tuple[str, str] | None:
    """The setting that names a region which AWS cannot have, and its value.

    Servers other than AWS's take any name.
    """
    name = "SQS_REGION" if conf.value("SQS_REGION") else "AWS_REGION"
    region = conf.region
    if not region or conf.value("SQS_ENDPOINT_URL") or REGION.fullmatch(region):
        return None
    return name, region


def _may_be_shown(name: str, value: Any) -> bool:
    """Whether an error may show a wrong value: a secret never, not even one in a wrong place."""
    secret = any(word in name for word in ("KEY", "SECRET", "TOKEN", "PASSWORD"))
    # What should be a URL or options may hold keys, however wrong it is.
    holds = ("SQS_WAKE", "SQS_TRANSPORT_OPTIONS")
    return not (secret or name in holds or (name.endswith("_URL") and "@" in repr(value)))


def _credentials() -> Iterator[Problem]:
    for key_name, secret_name, token_name in CREDENTIALS:
        key, secret, token = map(conf.value, (key_name, secret_name, token_name))
        if bool(key) != bool(secret):
            missing, given = (secret_name, key_name) if key else (key_name, secret_name)
            yield Problem(
                missing,
                f"{missing} is missing while {given} is set.",
                "Set both, or neither to use boto3's chain of credentials. Remove "
                f"{given} or add {missing}.",
            )
        elif token and not key:
            yield Problem(
                token_name,
                f"{token_name} is set without the keys that it belongs to.",
                f"Set {key_name} and {secret_name}, too, or remove {token_name}.",
            )


def _options() -> Iterator[Problem]:
    name = "SQS_TRANSPORT_OPTIONS"
    options = conf.value(name)
    for wrong in wrong_options(options) if isinstance(options, dict) else ():
        yield Problem(
            name, f"{name}: {wrong}.", "docs/transport.rst lists the options, with their units."
        )


def _wake() -> Iterator[Problem]:
    """What SQS_WAKE names and is not there."""
    spec = conf.value("SQS_WAKE")
    if not isinstance(spec, str) or SETTINGS["SQS_WAKE"].rule(spec):
        return
    kind, _, rest = spec.partition(":")
    alias = rest or "default"
    if kind == "cache" and alias not in settings.CACHES:
        yield _wake_problem(f"the cache {shown(alias)}, which is not in CACHES")
    elif kind == "postgres" and alias not in settings.DATABASES:
        yield _wake_problem(f"the database {shown(alias)}, which is not in DATABASES")
    elif kind.startswith(("redis", "unix")) and find_spec("redis") is None:
        yield Problem(
            "SQS_WAKE",
            "SQS_WAKE is a Redis URL, and the package redis is not installed.",
            "pip install 'django-sqs[redis]'",
        )


def _wake_problem(what: str) -> Problem:
    return Problem(
        "SQS_WAKE", f"SQS_WAKE names {what}.", f"Meaning: {SETTINGS['SQS_WAKE'].meaning}."
    )
