"""What settings name: exceptions and middleware by dotted path, and policies made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.printable import line
from django_sqs_kombu.rules import shown
from django_sqs_kombu.working import Mask, Middleware, Policy, Retry, mask_rule


def exception_class(value: Any) -> type[BaseException]:
    """The exception class that *value* is, or whose dotted path it is.

    :raises ImportError: there is none.
    """
    found = import_string(value) if isinstance(value, str) else value
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise ImportError(f"{value!r} is not an exception class")
    return found


def function_of(value: Any) -> Any:
    """The function that *value* is, or whose dotted path it is.

    :raises ImportError: there is none.
    """
    found = import_string(value) if isinstance(value, str) else value
    if not callable(found):
        raise ImportError(f"{value!r} is not a function")
    return found


def mask_or_path(value: Any) -> str | None:
    """The rule for a mask, or its dotted path."""
    try:
        found = function_of(value)
    except ImportError as exc:
        return f"must be a function or its dotted path ({line(str(exc))})"
    return mask_rule(found)


def mask_of(value: Any) -> Mask | None:
    """The mask that *value* is, or names; None: there is none.  A wrong one shows nothing."""
    if value is None:
        return None
    return _nothing if mask_or_path(value) else function_of(value)


def _nothing(queue: str, text: str) -> None:
    """A mask through which nothing is seen."""


def exception_classes(value: Any) -> tuple[type[BaseException], ...]:
    """The exception classes that *value* is, or names: one, or several.

    :raises ImportError: it names something else.
    """
    several = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return tuple(exception_class(each) for each in several)


def one_or_several(value: Any) -> str | None:
    """The rule for what :func:`exception_classes` takes."""
    try:
        exception_classes(value)
    except ImportError as exc:
        return f"must be an exception class, its dotted path, or a list of them ({line(str(exc))})"
    return None


def exceptions_rule(value: Any) -> str | None:
    """The rule for exception classes, or their dotted paths."""
    rule = "must be a list of exception classes or of their dotted paths"
    if not isinstance(value, list | tuple | set | frozenset):
        return rule
    try:
        exception_classes(value)
    except ImportError as exc:
        return f"{rule} ({line(str(exc))})"
    return None


def retries_of(value: Any) -> tuple[Retry, ...] | None:
    """What *value* says is tried again: a Retry, a dict of its arguments, or several of them.

    :raises ImportError: an exception that it names is not there.
    :raises ConfigurationError: it cannot work.
    """
    if value is None:
        return None
    several = value if isinstance(value, list | tuple) else [value]
    return tuple(_retry(each) for each in several)


def _retry(value: Any) -> Retry:
    if isinstance(value, Retry):
        return value
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"it is {shown(value)}")
    options = dict(value)
    if "on" in options:
        options["on"] = exception_classes(options["on"])
    try:
        return Retry(**options)
    except TypeError as exc:
        raise ConfigurationError(line(str(exc))) from None


def retry_rule(value: Any) -> str | None:
    """The rule for what :func:`retries_of` takes."""
    try:
        retries_of(value)
    except (ImportError, ConfigurationError) as exc:
        return (
            "must be a dict of the arguments of django_sqs.Retry, such as {'on': "
            f"['requests.Timeout'], 'tries': 8, 'backoff': [10, 60]}}, or several ({exc})"
        )
    return None


def policy_of(retry: Any, discard: Any, dead_letter: Any, on_error: str | None = None) -> Policy:
    """The policy that settings or options make.

    :raises ImportError: an exception that they name is not there.
    :raises ConfigurationError: it cannot work.
    """
    return Policy(
        retries_of(retry),
        None if discard is None else exception_classes(discard),
        None if dead_letter is None else exception_classes(dead_letter),
        on_error,
    )


def middleware_class(path: Any) -> type[Middleware]:
    """The class of middleware that *path* names.

    :raises ImportError: there is none.
    """
    found = import_string(path) if isinstance(path, str) else path
    if not (isinstance(found, type) and issubclass(found, Middleware)):
        raise ImportError("it is not a subclass of it")
    return found


def middleware_rule(value: Any) -> str | None:
    """The rule for dotted paths of middleware."""
    if not isinstance(value, list | tuple):
        return "must be a list of dotted paths"
    for each in value:
        try:
            middleware_class(each)
        except ImportError as exc:
            return (
                "must name subclasses of django_sqs_kombu.Middleware, which "
                f"{shown(each)} does not ({line(str(exc))})"
            )
    return None
