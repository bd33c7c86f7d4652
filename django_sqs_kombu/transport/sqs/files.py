"""How many files this process may have open, of which each connection is one."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

from ...posix import IS_POSIX

#: What polls leave for requests that settle and send, and for what the project opens: so much, or
#: half of what there is.
BESIDE_POLLS = 512
#: What all that wait for SQS's answers leave: so much, or a quarter of what there is.
FOR_PROJECT = 128
#: More connections than any process has; a number that C's long takes everywhere.
ENDLESS = 1_000_000
#: The most requests of a channel that settle messages, or a quarter of what there is: those that
#: hang must not hold up those of other queues, nor many full queues wait for each other's.
MOST_SETTLING = 256
#: How users raise the limit.
HOW_TO_RAISE = "ulimit -n, systemd's LimitNOFILE=, Docker's --ulimit nofile="
#: What the system says where no further file can be opened.
NONE_LEFT = (errno.EMFILE, errno.ENFILE)


def most_polls(wanted: int) -> int:
    """Return how many polls may be under way at once, *wanted* if it can be.

    For that the limit of open files (``ulimit -n``, RLIMIT_NOFILE) is raised, as far as the system
    lets this process: most give it 1,024 at first, macOS 256, and many more when it asks for them.
    """
    files, hard = _limits()
    if wanted > _for_polls(files):
        # More than there is, where the system allows more.
        files = _raised(files, min(2 * (wanted + BESIDE_POLLS), hard))
    return _for_polls(files)


def most_connections() -> int:
    """Return how many connections may be open at once to wait for answers."""
    files, _ = _limits()
    return min(files - min(FOR_PROJECT, files // 4), ENDLESS)


def most_settling() -> int:
    """Return how many requests that settle messages of a channel may be under way at once."""
    return min(MOST_SETTLING, _limits()[0] // 4)


def is_none_left() -> bool:
    """Whether this process can open no file now, and so no connection."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as exc:
        return exc.errno in NONE_LEFT
    return False


def _limits() -> tuple[int, int]:
    """The limit, and up to where it can be raised."""
    if not IS_POSIX:
        return sys.maxsize, sys.maxsize
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    return (sys.maxsize if soft == endless else soft), (sys.maxsize if hard == endless else hard)


def _raised(files: int, more: int) -> int:
    """The limit, which is *more* from now on if the system allows that."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says that there is no limit, and has one.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
        return more
    return files


def _for_polls(files: int) -> int:
    return files - min(BESIDE_POLLS, files // 2)
