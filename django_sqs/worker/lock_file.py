"""A file that forked processes lock in turn; where nothing forks, nobody else has it."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import IO, Any

from django_sqs_kombu.posix import IS_POSIX


def lock_file(owner: object) -> IO[Any]:
    """Return an open file for POSIX locks, which are released when their process is killed.

    Made before the forks.  It is in memory where the system can do that, since a worker must
    start where no folder for temporary files has room.

    :param owner: closed with it.
    """
    if hasattr(os, "memfd_create"):
        file: IO[Any] = os.fdopen(os.memfd_create("django-sqs"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its owner
    weakref.finalize(owner, file.close).atexit = False
    return file


def lock(file: IO[Any], *, wait: bool = True) -> bool:
    """Lock *file*; return whether this process has it now.

    :param wait: until the others have done with it; False: return False where one has it.
    """
    if IS_POSIX:
        import fcntl

        try:
            fcntl.lockf(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if wait:
                raise
            return False
    return True


def unlock(file: IO[Any]) -> None:
    """Let another process have it."""
    if IS_POSIX:
        import fcntl

        fcntl.lockf(file, fcntl.LOCK_UN)
