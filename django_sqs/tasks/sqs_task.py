"""SQSTask: a task of this backend, which answers those who take it for one of Celery's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from django_sqs_kombu.registration import no_attribute

from .framework import Task


class SQSTask(Task):  # type: ignore[misc]
    """A task of the Tasks framework; only what it says of methods that it has not differs."""

    __slots__ = ()

    if not TYPE_CHECKING:
        # A type checker would take it that a task has every attribute.
        def __getattr__(self, name: str) -> NoReturn:
            raise no_attribute(
                self,
                name,
                lambda: (
                    f"Task {self.module_path} is not a Celery task and has no {name}(). To enqueue "
                    f"it, use {self.name}.enqueue(...); {self.name}.using(run_after=...) delays it"
                ),
            )
