"""Memory that outlives this process: where a lone worker notes what it runs."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from django_sqs_kombu.logs import get_logger

from .own_folder import own_folder

logger = get_logger(__name__)

#: Workers for the same queues on one host; each has a file.
MOST_FILES = 64


@contextlib.contextmanager
def lasting_memory(key: str, size: int) -> Iterator[mmap.mmap]:
    """*size* bytes that the next process with this *key* on this host finds as they are.

    They are in a file of this user's in the folder for temporary files, which nobody else
    uses at the same time.  Where that cannot be, they are memory that is lost.

    :param key: what the process does, such as its queues.
    """
    with contextlib.ExitStack() as stack:
        memory = None
        try:
            memory = stack.enter_context(_file(key, size))
        except OSError as exc:
            logger.warning("If a message kills this process, that cannot be recorded: %s", exc)
        yield memory if memory is not None else stack.enter_context(mmap.mmap(-1, size))


@contextlib.contextmanager
def _file(key: str, size: int) -> Iterator[mmap.mmap]:
    folder = own_folder()
    import fcntl

    name = hashlib.sha256(f"{size}:{key}".encode()).hexdigest()[:16]
    with contextlib.ExitStack() as stack:
        for number in range(MOST_FILES):
            file = stack.enter_context((folder / f"{name}-{number}").open("a+b"))
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.truncate(size)
                # All of it now: a full disk is an error here, and the death of the process
                # at the first write to what is only mapped.
                os.posix_fallocate(file.fileno(), 0, size)
                memory = stack.enter_context(mmap.mmap(file.fileno(), size))
                yield memory
                if not memory[:].strip(b"\0"):
                    # Nothing to remember; the next process makes another.
                    Path(file.name).unlink(missing_ok=True)
                return
        raise OSError(f"{MOST_FILES} workers already use {folder}")
