"""Fingerprints: what failures have in common that are alike."""

from __future__ import annotations

import hashlib
import traceback
from pathlib import PurePath

from django_sqs_kombu.exceptions import kind_of

#: Frames that count, the innermost of the receiver.
FRAMES = 6
LENGTH = 40


def class_of(raised: BaseException) -> str:
    """The name of an exception's class, with its module."""
    cls = kind_of(raised)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
    return name[-200:]


def fingerprint(queue: str, raised: BaseException) -> str:
    """The same for failures of a queue by the same exception from the same functions.

    Neither its text counts, which names ids and times, nor lines, which move.
    """
    frames = [
        f"{PurePath(frame.filename).name}:{frame.name}"
        for frame in traceback.extract_tb(raised.__traceback__)[-FRAMES:]
    ]
    return hashed(queue, class_of(raised), *frames)


def hashed(*parts: str) -> str:
    """A short text that stands for all of *parts*."""
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:LENGTH]
