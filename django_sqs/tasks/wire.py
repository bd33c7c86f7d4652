"""The message of a task: what the backend writes and the runner reads."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from django.core.signing import BadSignature, Signer
from django.utils import timezone
from django.utils.functional import cached_property

from django_sqs_kombu.exceptions import (
    ConfigurationError,
    MessageDecodeError,
    MessageTargetMissing,
)
from django_sqs_kombu.printable import NAME, line, quoted
from django_sqs_kombu.quotas import MAX_RETENTION
from django_sqs_kombu.rules import check_several, shown

from ..clocks import moment, seconds_until
from .framework import InvalidTask, Task, TaskResult, TaskResultStatus
from .values import as_sent

#: A task with its positional and its keyword arguments.
Call = tuple[Task, Iterable[Any], dict[str, Any]]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: What the table of results has room for.
LONGEST_PATH, LONGEST_NAME, LARGEST_PRIORITY = 500, 100, 100
_SALT = "django_sqs.tasks"
_SORTED = json.JSONEncoder(sort_keys=True)


class UnknownTask(MessageTargetMissing):
    """A message names a task that this process does not have.

    :ivar path: the task's dotted path.
    """

    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no task {quoted(path, NAME)} in this project. Tasks are found in the "
            "modules that are imported, such as the tasks.py of each installed app; an older or "
            "newer version of the project may have sent it."
        )
        self.path = path


class TaskRefused(MessageDecodeError):
    """A message whose task, backend, queue and stored result do not agree."""


class Enqueued(Protocol):
    """How a task was enqueued: as a message or a stored result says it."""

    @property
    def priority(self) -> int:
        """Its priority."""

    @property
    def queue_name(self) -> str:
        """Its queue, as the framework names it."""

    @property
    def run_after(self) -> datetime | None:
        """The earliest that it may run."""


@dataclass(frozen=True)
class TaskCall:
    """A task with its arguments, as it travels.

    :param id: of the result.
    :param path: the task's dotted path.
    :param enqueued_at: when it was sent, and *run_after* the earliest it may run.
    :param backend: the alias of the backend in TASKS.
    :param said: all that the message says.
    :param signature: the project's own, where the task was enqueued elsewhere than it is
        declared for, by ``using()``.
    """

    id: str
    path: str
    args: list[Any]
    kwargs: dict[str, Any]
    priority: int
    queue_name: str
    enqueued_at: datetime
    run_after: datetime | None
    backend: str
    said: Mapping[str, Any]
    signature: str | None = None

    # Django's, since up to Python 3.11 the other has a lock, which costs more than the digest.
    @cached_property
    def digest(self) -> str:
        """Of all that the message says: its result says the same.

        Whoever needs it asks before the task runs, which may change its arguments.
        """
        return _digest(self.said)

    @classmethod
    def from_json(cls, data: Any) -> TaskCall:
        """The call in a message.

        :raises MessageDecodeError: it holds something else.
        """
        try:
            call = cls(
                str(data["id"]),
                str(data["task"]),
                _of_type(list, data["args"]),
                _of_type(dict, data["kwargs"]),
                int(data.get("priority", 0)),
                str(data["queue"]),
                moment(datetime.fromisoformat(data["enqueued_at"])),
                _moment_or_none(data.get("run_after")),
                str(data["backend"]),
                data,
                data.get("signature"),
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as exc:
            raise MessageDecodeError(f"The message is not that of a task: {exc!r}") from exc
        if not _ID.fullmatch(call.id) or (
            len(call.path) > LONGEST_PATH
            or len(call.queue_name) > LONGEST_NAME
            or abs(call.priority) > LARGEST_PRIORITY
        ):
            raise MessageDecodeError(
                "The message is not that of a task: this library never writes such an id, task, "
                f"queue and priority: {quoted(call.id, NAME)}, {quoted(call.path, NAME)}, "
                f"{quoted(call.queue_name, NAME)} and {call.priority}"
            )
        return call

    def task(self, backend: str, queue_name: str) -> Task:
        """The task, as it was enqueued.

        :param backend: whose queue the message came from.
        :param queue_name: the queue, as the framework names it.
        :raises TaskRefused: the message is not for that queue, or the task is not.
        :raises UnknownTask: this process has no such task.
        """
        if (self.backend, self.queue_name) != (backend, queue_name):
            raise TaskRefused(
                f"Task {self.id} is for backend {quoted(self.backend, NAME)} and queue "
                f"{quoted(self.queue_name, NAME)}, but came from {backend!r} and {queue_name!r}"
            )
        task = declared(self.path)
        if task is None:
            raise UnknownTask(self.path)
        if not is_declared_for(task, backend, queue_name) and not self._is_signed():
            raise TaskRefused(
                f"Task {line(self.path, NAME)} is declared for backend {task.backend!r} and queue "
                f"{task.queue_name!r}. A message on another queue must be signed by this "
                "project, as it is after using(); this one is not."
            )
        return as_enqueued(task, self, backend)

    def _is_signed(self) -> bool:
        try:
            Signer(salt=_SALT).unsign(f"{self.digest}:{self.signature}")
        except BadSignature:
            return False
        return True


def check_can_be_run(task: Task) -> None:
    """Refuse a task that a worker would not find, or not get in time.

    :raises InvalidTask: it is not in its module under its name, or is due too late.
    """
    path = task.module_path
    if declared(path) is None or path.startswith("__main__."):
        raise InvalidTask(
            f"The worker could not find the task {path}: it looks for it under that name in its "
            "module. Decorate the function with @task, in a module such as an app's tasks.py."
        )
    if (delay_of(task.run_after) or 0) > MAX_RETENTION:
        raise InvalidTask(
            "run_after must be at most 14 days from now, as long as SQS keeps a message, not "
            f"{task.run_after}. For what is due later, schedule a task that enqueues it."
        )


def new_result(
    alias: str, task: Task, args: Iterable[Any], kwargs: Mapping[str, Any]
) -> TaskResult:
    """The result of a call that is to be enqueued on the backend *alias*.

    :raises TypeError: an argument is not JSON.
    :raises ValueError: nor is NaN, or infinity.
    :raises ConfigurationError: *args* is a single value, such as a text.
    """
    check_several(f"Task {task.module_path} takes its args", args)
    sent_args, sent_kwargs = as_sent([list(args), kwargs])
    return TaskResult(
        task=task,
        # Django's own has a character for each call of the system: a tenth of a send's CPU.  Of a
        # unique task it is the ticket's, too, and MariaDB takes no other UUID.
        id=uuid.uuid4().hex,
        status=TaskResultStatus.READY,
        enqueued_at=timezone.now(),
        started_at=None,
        last_attempted_at=None,
        finished_at=None,
        args=sent_args,
        kwargs=sent_kwargs,
        backend=alias,
        errors=[],
        worker_ids=[],
    )


def body_of(result: TaskResult) -> dict[str, Any]:
    """What goes into the message that *result* is to be the result of."""
    task = result.task
    path = task.module_path
    data: dict[str, Any] = {
        "id": result.id,
        "task": path,
        "args": result.args,
        "kwargs": result.kwargs,
        "backend": result.backend,
        "queue": task.queue_name,
        "enqueued_at": result.enqueued_at.isoformat(),
    }
    if task.priority:
        data["priority"] = task.priority
    if task.run_after:
        data["run_after"] = task.run_after.isoformat()
    found = declared(path)
    if found is None or not is_declared_for(found, result.backend, task.queue_name):
        data["signature"] = Signer(salt=_SALT).signature(_digest(data))
    return data


def digest_of(result: TaskResult) -> str:
    """The digest of :func:`body_of`, as :attr:`TaskCall.digest` is."""
    return _digest(body_of(result))


def declared(path: str) -> Task | None:
    """The task of that dotted path in this process."""
    module, _, name = path.rpartition(".")
    # Never imported: whoever may write to the queue must not choose what is.
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, Task) else None


def is_declared_for(task: Task, backend: str, queue_name: str) -> bool:
    """Whether *task* goes to that backend and queue unless ``using()`` says otherwise."""
    return (task.backend, task.queue_name) == (backend, queue_name)


def as_enqueued(task: Task, call: Enqueued, backend: str) -> Task:
    """*task* as it was when *call* enqueued it on *backend*."""
    if (
        task.queue_name == call.queue_name
        and task.priority == call.priority
        and task.run_after == call.run_after
        and task.backend == backend
    ):
        return task
    # A copy is validated anew, which costs more than all else.
    return replace(
        task,
        priority=call.priority,
        queue_name=call.queue_name,
        run_after=call.run_after,
        backend=backend,
    )


def delay_of(run_after: datetime | None) -> float | None:
    """Seconds until *run_after*, 0 where it has passed; None for None."""
    if run_after is None:
        return None
    return max(0.0, seconds_until(run_after))


def as_call(call: Any) -> Call:
    """*call*, if it is a task with its arguments.

    :raises ConfigurationError: it is anything else.
    """
    try:
        task, args, kwargs = call
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"enqueue_many() takes calls, each (task, args, kwargs), not {shown(call)}"
        ) from None
    return task, args, kwargs


def _moment_or_none(text: Any) -> datetime | None:
    return moment(datetime.fromisoformat(text)) if text else None


def _of_type(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _digest(data: Mapping[str, Any]) -> str:
    if "signature" in data:
        data = {name: value for name, value in data.items() if name != "signature"}
    return hashlib.sha256(_SORTED.encode(data).encode()).hexdigest()
