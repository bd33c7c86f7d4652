"""Closed pipe: a command ends quietly once nobody reads what it writes, as with ``| head``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import IO

#: What shells say of a program that SIGPIPE has ended, as it ends those written in C.
EXIT_CODE = 128 + 13


def end_with_its_pipe(run: Callable[[], None], *, needs_output: bool = True) -> None:
    """Run a command; end the process without a word once nobody reads what it writes.

    Every other error is raised as it is, and so is that of another pipe.

    :param needs_output: whether it has failed where its last output cannot be written, on a full
        disk for instance.
    """
    code = None
    try:
        try:
            run()
        except SystemExit as exc:
            if exc.code:
                code = exc.code
        if sys.stdout is not None and not sys.stdout.closed:
            _flush(sys.stdout, needed=needs_output)
    except BrokenPipeError:
        closed = [each for each in (sys.stdout, sys.stderr) if each and _is_closed(each)]
        if not closed:
            raise
        for stream in closed:
            _discard(stream)
        code = code or EXIT_CODE
    finally:
        # What logging could not write there is left in its buffer, and would make the code 120.
        if sys.stderr is not None and not sys.stderr.closed:
            if _is_closed(sys.stderr):
                _discard(sys.stderr)
            else:
                with suppress(BrokenPipeError):
                    _flush(sys.stderr, needed=False)
    if code is not None:
        sys.exit(code)


def _flush(stream: IO[str], *, needed: bool) -> None:
    """Write what is left in its buffer: Python would do so at the end, complain, and exit with 120.

    :raises OSError: it cannot be written, and is *needed*.
    """
    try:
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError:
        _discard(stream)
        if needed:
            raise


def _is_closed(stream: IO[str]) -> bool:
    """Whether *stream* is a pipe whose other end was closed."""
    try:
        # Not select(), which takes no number above 1,023.
        from select import POLLERR, POLLHUP, poll

        asked = poll()
        asked.register(stream.fileno(), 0)
        return any(events & (POLLERR | POLLHUP) for _, events in asked.poll(0))
    except (ImportError, AttributeError, OSError, ValueError):
        # On Windows, which tells of it otherwise; or no file at all.
        return False


def _discard(stream: IO[str]) -> None:
    """Write nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
