"""Ending a process with nothing lost that it has to say, whatever the project has left running."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import Any, NoReturn

from django_sqs_kombu.logs import get_logger, without_waiting
from django_sqs_kombu.new_threads import start_thread
from django_sqs_kombu.working import end_process as end_forked_process

logger = get_logger(__name__)

#: Seconds that a process gets beyond its grace period before it is ended without any more ado.
MARGIN = 5.0
#: Seconds that exporters of OpenTelemetry's may take for what they have gathered.
FLUSH_TIMEOUT = 2.0
#: Seconds that a process has at least to end by itself.
LEAST_TIME = 1.0
#: Seconds between two looks whether this process ends.
LOOK = 0.1


def end_process(code: int) -> NoReturn:
    """Flush telemetry, logs and output, and end this process with *code*."""
    try:
        flush_telemetry()
    finally:
        end_forked_process(code)


def flush_telemetry() -> None:
    """Have OpenTelemetry's SDK export what it gathered, where this process has it."""
    deadline = time.monotonic() + FLUSH_TIMEOUT
    for module, provider_of in (
        ("opentelemetry.trace", "get_tracer_provider"),
        ("opentelemetry.metrics", "get_meter_provider"),
        ("opentelemetry._logs", "get_logger_provider"),
    ):
        found: Any = sys.modules.get(module)
        # The API's own providers, where no SDK is, gather nothing.
        flush = found and getattr(getattr(found, provider_of)(), "force_flush", None)
        if flush:
            try:
                flush(max(1, int((deadline - time.monotonic()) * 1000)))
            except Exception:
                logger.exception("OpenTelemetry could not export the last of what it gathered")


def end_in_time(code: int, seconds: float) -> None:
    """Have this process, which is done, end with *code* within *seconds* once Python ends it.

    Python waits for each thread that is no daemon, for the jobs of executors, and for child
    processes: what a receiver has left running could keep the process for ever.
    """
    until = time.monotonic() + seconds

    def end() -> None:
        while not _is_ending():
            time.sleep(LOOK)
        time.sleep(max(LEAST_TIME, until - time.monotonic()))
        with without_waiting():
            left = _left_running()
            logger.error("Ending although the project has left something running: %s", left)
            end_process(code)

    try:
        start_thread(threading.Thread(target=end, name="sqs-end", daemon=True))
    except RuntimeError as exc:
        logger.error("No thread could be started to watch over the end: %r", exc)


def end_at_the_latest(code: int) -> None:
    """Have this process end with *code* soon, whatever holds up what it still has to do."""

    def end() -> None:
        time.sleep(MARGIN)
        os._exit(code)

    # Without a thread whoever stopped it kills it in the end.
    with suppress(RuntimeError):
        start_thread(threading.Thread(target=end, name="sqs-end", daemon=True))


def _is_ending() -> bool:
    # The second is private to Python, and true a little earlier: while executors are waited for.
    alive = threading.main_thread().is_alive()
    return not alive or getattr(threading, "_SHUTTING_DOWN", False)


def _left_running() -> str:
    names = [
        each.name
        for each in threading.enumerate()
        if not each.daemon and each is not threading.main_thread()
    ]
    return (
        f"threads {', '.join(names)}" if names else "no thread, but processes or atexit functions"
    )
