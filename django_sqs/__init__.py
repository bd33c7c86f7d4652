"""Amazon SQS in a Django project: decorate a function, and it receives messages."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import (
        Breaker,
        Continue,
        ReceiverProxy,
        RegisteredQueue,
        RestartLater,
        Retry,
        SQSError,
        Ticket,
        TimedOut,
        UnknownSuffixWarning,
        asend,
        batch,
        cursor,
        exponential,
        lambda_handler,
        queues,
        receiver,
        receivers,
        register,
        send,
        send_many,
        stopping,
    )

__all__ = [
    "Breaker",
    "Continue",
    "ReceiverProxy",
    "RegisteredQueue",
    "RestartLater",
    "Retry",
    "SQSError",
    "Ticket",
    "TimedOut",
    "UnknownSuffixWarning",
    "asend",
    "batch",
    "cursor",
    "exponential",
    "lambda_handler",
    "queues",
    "receiver",
    "receivers",
    "register",
    "send",
    "send_many",
    "stopping",
]


def __getattr__(name: str) -> Any:
    # Late: pytest imports this package, for its plugin, in every project where it is installed.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        api = import_module(".api", __name__)
    except ModuleNotFoundError as exc:
        if find_spec("django") is not None:
            raise
        raise ModuleNotFoundError(
            "django_sqs needs Django, which is not installed: pip install 'django-sqs[django]'. "
            "Without Django there is django_sqs_kombu",
            name="django",
        ) from exc
    value = globals()[name] = getattr(api, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
