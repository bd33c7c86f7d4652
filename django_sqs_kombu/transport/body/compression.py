"""Compression: a compressed body may not grow beyond bounds when it is unpacked."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from ...exceptions import MessageDecodeError

#: The most bytes that a compressed body may have when it is unpacked.  What SQS takes can
#: be a thousand times as long, and fill the memory of whoever receives it.
MAX_UNPACKED = 64 * 1024 * 1024

#: By the names that Kombu's header ``compression`` may have.
_UNPACKERS: dict[str, Callable[[], Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "gzip": zlib.decompressobj,
    "zlib": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "bzip2": bz2.BZ2Decompressor,
    "bzip": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
    "lzma": lzma.LZMADecompressor,
    "xz": lzma.LZMADecompressor,
}


def check_unpacked_size(payload: Mapping[str, Any]) -> MessageDecodeError | None:
    """What is wrong with the compression of an envelope's body, or None.

    It looks at the methods of the standard library.  Others (Brotli, Zstandard) are there
    only where their packages are installed, and are left to Kombu.
    """
    method = payload["headers"].get("compression")
    body = payload["body"]
    unpacker = _UNPACKERS.get(method) if isinstance(method, str) else None
    if unpacker is None or not isinstance(body, bytes):
        return None
    try:
        unpacked = _unpacked_size(unpacker, body)
    except (zlib.error, lzma.LZMAError, OSError, EOFError):
        # Kombu says so, too.
        return None
    if unpacked <= MAX_UNPACKED:
        return None
    return MessageDecodeError(
        f"The body is compressed ({method}) and has more than {MAX_UNPACKED:,} bytes when it is "
        "unpacked; it is not read"
    )


def _unpacked_size(unpacker: Callable[[], Any], body: bytes) -> int:
    """The size of the unpacked body, or of its first part where that is above the limit."""
    size = 0
    while body and size <= MAX_UNPACKED:
        one = unpacker()
        size += len(one.decompress(body, MAX_UNPACKED + 1 - size))
        # Streams may follow one another, and are unpacked one after the other.
        body = one.unused_data if one.eof else b""
    return size
