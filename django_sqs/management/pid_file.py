"""The pid file of a running command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.management.base import CommandError


@contextmanager
def pid_file(path: str | None) -> Iterator[None]:
    """Keep this process's id in the file *path* while the block runs.

    :raises CommandError: another living process has its id there, or the file cannot
        be written.
    """
    if not path:
        yield
        return
    file = Path(path)
    owner = _living_owner(file)
    if owner is not None:
        raise CommandError(
            f"{path} belongs to process {owner}, which is running. Stop it, or use another "
            "--pid-file."
        )
    try:
        file.write_text(f"{os.getpid()}\n")
    except OSError as exc:
        raise CommandError(f"Cannot write --pid-file {path}: {exc.strerror}") from exc
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _living_owner(file: Path) -> int | None:
    try:
        pid = int(file.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError, OverflowError):
        return None
    return pid
