"""Beside: a consumer in a thread of its own, which ends with another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from ..exceptions import EnvironmentFailure
from ..new_threads import start_thread

#: Seconds between two turns of whoever waits for it.
TURN = 1.0


class Beside:
    """Runs a consumer while its context lasts; leaving that waits for its end.

    :param run: runs the consumer to its end.
    :param stop: has it stop.
    :param on_end: called when it has ended, in its thread.
    :param turn: called about once a second while it is waited for.
    """

    def __init__(
        self,
        run: Callable[[], None],
        stop: Callable[[], None],
        on_end: Callable[[], None],
        turn: Callable[[], None],
    ) -> None:
        self._run_consumer = run
        self._stop = stop
        self._on_end = on_end
        self._turn = turn
        self._thread = threading.Thread(target=self._run, name="sqs-coroutines", daemon=True)
        #: Whether it has ended.
        self.ended = False
        #: What ended it, other than its stop.
        self.error: BaseException | None = None

    def __enter__(self) -> Beside:
        try:
            start_thread(self._thread)
        except RuntimeError as exc:
            raise EnvironmentFailure(f"No thread can run a consumer: {exc}") from exc
        return self

    def __exit__(
        self,
        cls: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        while self._thread.is_alive():
            self._thread.join(TURN)
            self._turn()
        if exc is None and self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            self._run_consumer()
        except BaseException as exc:  # noqa: BLE001 - it is raised where it is waited for
            self.error = exc
        finally:
            self.ended = True
            self._on_end()
