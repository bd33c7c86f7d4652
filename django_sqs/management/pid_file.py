"""The pid file of a running command."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.management.base import CommandError

from django_sqs_kombu.posix import require_posix

#: How often a file that its last owner removes just then is looked for again.
TRIES = 5


@contextmanager
def pid_file(path: str | None) -> Iterator[None]:
    """Keep this process's id in the file *path* while the block runs.

    The file is locked meanwhile, and a lock ends with its process.  So what a killed run left
    is replaced, even where its process id is another's now, as in a container that starts again.

    :raises ConfigurationError: this is not a POSIX system.
    :raises CommandError: another process has its id there, the file cannot be written, or it is
        not a plain file of this user, such as a link that would lead elsewhere.
    """
    if not path:
        yield
        return
    require_posix("--pid-file needs")
    try:
        file = _opened(path)
    except OSError as exc:
        raise CommandError(f"Cannot write --pid-file {path}: {exc.strerror}") from exc
    try:
        try:
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        except OSError as exc:
            # A full disk, say.
            raise CommandError(f"Cannot write --pid-file {path}: {exc.strerror}") from exc
        yield
    finally:
        if _is_at(file, path):
            with suppress(OSError):
                os.unlink(path)
        os.close(file)


def _opened(path: str) -> int:
    """Open and lock the file; it is made where it is missing."""
    import fcntl

    for _ in range(TRIES):
        file = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644
        )
        try:
            _check(file, path)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = os.read(file, 20).decode(errors="replace").strip()
                raise CommandError(
                    f"{path} belongs to process {owner}, which is running. Stop it, or use "
                    "another --pid-file."
                ) from None
            # Between the two its last owner may have removed it.
            if _is_at(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
    raise CommandError(f"Cannot write --pid-file {path}: other processes keep removing it")


def _check(file: int, path: str) -> None:
    facts = os.fstat(file)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1 or facts.st_uid != os.geteuid():
        raise CommandError(
            f"Cannot write --pid-file {path}: it is not a regular file of this user. Remove it, or "
            "use a folder that only this user can write to."
        )


def _is_at(file: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except OSError:
        return False
