"""A file that forked processes lock in turn."""

from __future__ import annotations

import os
import tempfile
from typing import IO, Any


def lock_file() -> IO[Any]:
    """Return an open file for POSIX locks, which are released when their process is killed.

    Made before the forks.  It is in memory where the system can do that, since a worker must
    start where no folder for temporary files has room.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("django-sqs"), "w+b")
    return tempfile.TemporaryFile()
