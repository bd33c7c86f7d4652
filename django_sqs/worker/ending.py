"""Ending a forked process at once, with nothing lost that it has to say."""

from __future__ import annotations

import sys
import time
from typing import Any, NoReturn

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.working import end_process as end_forked_process

logger = get_logger(__name__)

#: Seconds that exporters of OpenTelemetry's may take for what they have gathered.
FLUSH_TIMEOUT = 2.0


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
