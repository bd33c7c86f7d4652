"""The folder of this user's workers on this host."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django_sqs_kombu.posix import IS_POSIX


def own_folder() -> Path:
    """This user's folder, which no other user can write to or put a link in place of.

    :raises OSError: there is none, and none can be made.
    """
    if not IS_POSIX:
        raise OSError("this is not a POSIX system")
    failure: OSError | None = None
    for folder in _candidates():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            facts = folder.lstat()
            if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid():
                folder.chmod(0o700)
                return folder
        except OSError as exc:
            failure = exc
    raise failure or OSError("every folder for it belongs to another user")


def _candidates() -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield Path(tempfile.gettempdir()) / f"django-sqs-{os.getuid()}"
    # Where somebody else has made that one before, or it cannot be written to. A user of a
    # container may have no home.
    with contextlib.suppress(RuntimeError):
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        yield Path(cache) / "django-sqs"
