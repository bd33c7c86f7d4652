"""CeleryForward: a receiver that hands its messages to a Celery task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kombu.exceptions import OperationalError

from ..exceptions import RequestFailed, RestartLater
from ..logs import get_logger
from ..messages.base import RawMessage
from ..working.context import current_message

logger = get_logger(__name__)


class CeleryForward:
    """Starts a Celery task for each message.

    The message is acknowledged when Celery's broker has accepted the task.  While the
    broker cannot be reached, the message stays in its queue and is tried again later.

    :param task: a Celery task, or the name of one of the current Celery app's tasks.
    :param arguments: a function of the message that returns the task's arguments: a
        mapping for keyword arguments, a tuple for positional ones, anything else for
        the one argument.  None: the one argument is the message's value (``get_body``).
    """

    def __init__(self, task: Any, arguments: Callable[[Any], Any] | None = None) -> None:
        self.task = task
        self.arguments = arguments
        # A registration is known by its receiver's name.
        named = arguments or self
        self.__module__ = named.__module__
        self.__qualname__ = getattr(named, "__qualname__", f"{type(self).__qualname__}({self})")
        self.__name__ = getattr(named, "__name__", str(self))

    def __call__(self, message: RawMessage) -> None:
        """Start the task for *message*.

        :raises RestartLater: the broker did not accept it.
        """
        value = self.arguments(message) if self.arguments else message.get_body()
        args, kwargs = _split(value)
        try:
            self._start(args, kwargs)
        except (OperationalError, RequestFailed, OSError) as exc:
            context = current_message.get()
            logger.error(
                "Message %s is tried again later: Celery's broker did not accept task %s: %s",
                # As in all other lines: a message that is sent again is known by another.
                message.id if context is None else context.message_id,
                self,
                exc,
            )
            raise RestartLater from exc

    def __str__(self) -> str:
        return self.task if isinstance(self.task, str) else str(self.task.name)

    def _start(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if isinstance(self.task, str):
            from celery import current_app

            current_app.send_task(self.task, args, kwargs)
        else:
            self.task.apply_async(args, kwargs)


def task_or_name(value: Any) -> str | None:
    """The rule for a task that messages are handed to."""
    named = isinstance(value, str) and value
    return None if named or hasattr(value, "apply_async") else "must be a Celery task or its name"


def _split(value: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(value, Mapping):
        return (), value
    return value if isinstance(value, tuple) else (value,), {}
