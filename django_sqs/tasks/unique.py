"""UniqueTask: a task of which one waits, or one waits or runs, for each of its keys."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID

from django.apps import apps
from django.db import router

from django_sqs_kombu.exceptions import ConfigurationError, MessageEncodeError
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import repr_of
from django_sqs_kombu.registration import LONGEST_KEY, Unique
from django_sqs_kombu.rules import shown

from ..key_database import KeyDatabase
from ..registry import receivers

if TYPE_CHECKING:
    from django_sqs_kombu.registration import Prepared

    from .framework import Task, TaskResult

logger = get_logger(__name__)

T = TypeVar("T")

_ANY = inspect.Parameter.VAR_POSITIONAL

#: Those of this process, by the dotted paths of their tasks.
unique_tasks: dict[str, UniqueTask] = {}


@dataclass(frozen=True, slots=True)
class UniqueTask:
    """What a task is the only one of.

    :param path: the task's dotted path.
    :param task: the task itself.
    :param key: makes the key of the task's arguments; None: all of them are the key.
    :param signature: of its arguments; None: it is not known.
    """

    path: str
    task: Any
    unique_for: float | timedelta
    unique_until: str | None
    key: Callable[..., str] | None
    signature: inspect.Signature | None = None

    def options(self, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """How the message of a call is sent.

        :raises ConfigurationError: its key cannot be made of its arguments.
        """
        text = f"{self.path}:{self._own(args, kwargs)}"
        if len(text) > LONGEST_KEY:
            text = f"{self.path}:{hashlib.sha256(text.encode()).hexdigest()}"
        return {
            "unique": text,
            "unique_for": self.unique_for,
            "unique_until": self.unique_until,
        }

    def _own(self, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
        if self.key is None:
            return self._all(args, kwargs)
        try:
            own = self.key(*args, **kwargs)
        except Exception as exc:
            raise ConfigurationError(
                f"@unique of task {self.path}: its key= failed for the arguments of this call; it "
                f"is called with the same arguments as the task: {repr_of(exc)}"
            ) from exc
        if not isinstance(own, str):
            raise ConfigurationError(
                f"@unique of task {self.path}: key= must return text, not {shown(own)}"
            )
        return own

    def _all(self, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
        """All arguments: the same however the call is written."""
        try:
            if self.signature is None:
                raise TypeError
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            # The worker's call fails as well.
            return json.dumps([args, kwargs], sort_keys=True)
        parameters = self.signature.parameters
        given = {
            name: value
            for name, value in bound.arguments.items()
            if not _is_default(parameters[name], value)
        }
        return json.dumps(given, sort_keys=True)


def _is_default(parameter: inspect.Parameter, value: Any) -> bool:
    """Whether an argument might as well have been left out."""
    try:
        return json.dumps(parameter.default, sort_keys=True) == json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return False  # There is none, or none that a message can carry.


def _signature(task: Any) -> inspect.Signature | None:
    """The signature of what a task is called with."""
    try:
        found = inspect.signature(task.func)
    except (TypeError, ValueError):
        return None
    parameters = list(found.parameters.values())
    if not task.takes_context or not parameters or parameters[0].kind is _ANY:
        return found
    return found.replace(parameters=parameters[1:])


def unique(
    *,
    unique_for: float | timedelta,
    unique_until: Literal["started", "finished"] | None = None,
    key: Callable[..., str] | None = None,
) -> Callable[[T], T]:
    """Enqueue a task only if no other has its key; put it above ``@task``.

    Enqueuing another returns the result of the one that has the key.

    :param unique_for: how long it keeps the key at most, in seconds or as a timedelta.
    :param unique_until: what frees the key earlier: ``"started"``, the task starts;
        ``"finished"``, it will not be run any more.  None: nothing does.
    :param key: a function of the task's arguments that returns text; default: all of them, given
        by position or by name.
    :raises ConfigurationError: an argument is invalid, or the decorated object is not a task.
    """

    def decorate(task: T) -> T:
        path = getattr(task, "module_path", None)
        if path is None or not hasattr(task, "get_backend"):
            raise ConfigurationError(
                f"@unique is for tasks, not for {shown(task)}: write it above @task"
            )
        try:
            Unique.read("key", unique_for, unique_until)
        except MessageEncodeError as exc:
            raise ConfigurationError(f"@unique of task {path}: {exc}") from exc
        if key is not None and not callable(key):
            raise ConfigurationError(
                f"@unique of task {path}: key= must be a function of the task's arguments, not "
                f"{shown(key)}"
            )
        unique_tasks[path] = UniqueTask(path, task, unique_for, unique_until, key, _signature(task))
        return task

    return decorate


def is_unique(task: Task) -> bool:
    """Whether a task is enqueued only where no other of its key is."""
    return task.module_path in unique_tasks


def schedule_problem(path: str, sends_slots: bool) -> str | None:
    """Why the slots of a schedule cannot be those of a unique task; None: they can.

    :param path: the task's dotted path.
    :param sends_slots: whether SQS sees to it that each slot is sent once.
    """
    found = unique_tasks.get(path)
    if found is None:
        return None
    if receivers.tickets is None:
        return (
            "@unique keeps its keys in a table: add 'django_sqs.tickets' to INSTALLED_APPS and "
            "migrate"
        )
    if sends_slots:
        # Every process sends each slot, and only SQS knows which of them it drops.
        return found.unique_until and (
            f"@unique(unique_until={found.unique_until!r}) cannot be combined with slots that SQS "
            "deduplicates, because one that it drops could not free its key: add "
            "'django_sqs.schedules' to INSTALLED_APPS and migrate, or leave out unique_until"
        )
    if not apps.is_installed("django_sqs.schedules"):
        return None  # Which another check says.
    slots = router.db_for_write(apps.get_model("django_sqs_schedules", "Slot"))
    keys = getattr(receivers.tickets, "database", None)
    if slots == keys:
        return None
    return (
        "@unique needs the table of django_sqs.tickets in the database of the schedules, "
        f"{slots!r}, but it is in {keys!r}: route both to one"
    )


def options_of(result: TaskResult) -> dict[str, Any]:
    """How the message of a task is sent that is to have *result*."""
    found = unique_tasks.get(result.task.module_path)
    # Nobody would get the ticket of another.
    return {"ticket": False} if found is None else found.options(result.args, result.kwargs)


def ticket_of(result: TaskResult) -> str:
    """The id of a unique task's ticket, which tells that of its result."""
    return str(UUID(hex=result.id))


def claim(send: Prepared, databases: Sequence[str]) -> str | None:
    """Take the key of a task; return the id of the result of the one that has it, if another does.

    :param databases: those whose commit the task waits for.
    :raises ConfigurationError: a rollback of these would leave the key.
    """
    keys = KeyDatabase.of(send.registered.name, send.registered.receivers.tickets)
    if databases:
        keys.check_waits(databases)
    else:
        keys.check_at_once(send.outgoing.frees)
    ticket = send.claim_and(lambda: None)
    return None if ticket.sent else UUID(ticket.id).hex


@contextmanager
def giving_back(result: TaskResult) -> Iterator[None]:
    """Have another task of its key enqueued where this one is not."""
    try:
        yield
    except BaseException:
        give_back(result)
        raise


def give_back(result: TaskResult) -> None:
    """Give back the key of a task that is not enqueued; where that fails, its time frees it."""
    store = receivers.tickets
    if store is None or not is_unique(result.task):
        return
    try:
        store.free_all([ticket_of(result)])
    except Exception as exc:  # noqa: BLE001 - a database that is away, or a transaction
        logger.warning(
            "Task %s was not enqueued, but its unique key could not be freed, so others with "
            "that key are not enqueued until unique_for is over: %r",
            result.task.module_path,
            exc,
        )
