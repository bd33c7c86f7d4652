"""Asking: questions to SQS side by side, whose asker waits no longer than a bound in all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from django_sqs_kombu.exceptions import SQSError
from django_sqs_kombu.new_threads import start_thread
from django_sqs_kombu.posix import in_forked_children

#: Seconds that a page waits for all its answers together. One request to an SQS that hangs,
#: with boto3's tries, takes half a minute.
PATIENCE = 5.0
#: Seconds after which a page that works through many rows begins no more: web servers give up a
#: worker after 30.
ENOUGH = 10.0
#: Questions that are asked at once.
SIDE_BY_SIDE = 16

T = TypeVar("T")


class NotAnsweredYet(SQSError):
    """SQS has not answered in time; it may do so later."""


class Askers:
    """Threads that ask questions; each ends when there is none left.

    A question that is under way, since an earlier asker gave it up, is not asked twice: an
    SQS that hangs takes no more threads, however often a page is loaded.
    """

    def __init__(self) -> None:
        self._forget()
        in_forked_children(self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, Callable[[], Any], Future[Any]]] = deque()
        self._under_way: dict[str, Future[Any]] = {}
        self._threads = 0

    def ask(self, name: str, question: Callable[[], T]) -> Future[T]:
        """Have *question* called in a thread, unless the one of this *name* is under way."""
        with self._lock:
            future = self._under_way.get(name)
            if future is None:
                future = self._under_way[name] = Future()
                self._waiting.append((name, question, future))
                if self._threads < SIDE_BY_SIDE:
                    self._start_thread()
            return future

    def _start_thread(self) -> None:
        self._threads += 1
        try:
            start_thread(threading.Thread(target=self._work, name="sqs-asking", daemon=True))
        except RuntimeError as exc:
            # The system has no more threads. Those that run do it; where none runs, nobody.
            self._threads -= 1
            if not self._threads:
                name, _, future = self._waiting.pop()
                del self._under_way[name]
                future.set_exception(SQSError(f"SQS cannot be asked: {exc}"))

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                name, question, future = self._waiting.popleft()
            answer, error = _call(question)
            with self._lock:
                self._under_way.pop(name, None)
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)


def _call(question: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return question(), None
    except BaseException as exc:  # noqa: BLE001 - the asker raises it
        return None, exc


_askers = Askers()


def side_by_side(
    questions: Mapping[str, Callable[[], T]], patience: float | None = PATIENCE
) -> dict[str, T | SQSError]:
    """Ask *questions*, by name, at the same time; return for each its answer or its error.

    They run in threads of their own, so they must not touch the database.

    :param patience: seconds to wait for all together; None: until all are answered.
    :returns: for what was not answered in time, a :class:`NotAnsweredYet`.
    """
    asked: dict[str, Future[T]] = {name: _askers.ask(name, q) for name, q in questions.items()}
    wait(asked.values(), patience)
    return {name: _answer(future, patience) for name, future in asked.items()}


def ask_within(patience: float, name: str, question: Callable[[], T]) -> T:
    """Ask one question, and wait *patience* seconds for its answer.

    :raises SQSError: the question's own error, or a :class:`NotAnsweredYet`.
    """
    questions: dict[str, Callable[[], T]] = {name: question}
    answer = side_by_side(questions, patience)[name]
    if isinstance(answer, SQSError):
        raise answer
    return answer


def _answer(future: Future[Any], patience: float | None) -> Any:
    if not future.done():
        return NotAnsweredYet(f"SQS has not answered within {patience:g} seconds.")
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, SQSError):
        return error
    raise error
