"""Compression: a compressed body may not grow beyond bounds when it is unpacked.

It is unpacked here, and not by Kombu, whose unpackers know no bound.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from ...exceptions import MessageDecodeError
from ...printable import NAME, cause, line, quoted

#: The most bytes that a compressed body may have when it is unpacked.  What SQS takes can
#: be a thousand times as long, and fill the memory of whoever receives it.
MAX_UNPACKED = 64 * 1024 * 1024
#: The most bytes that unpacking may take besides, for what a body says it looks back on:
#: a few bytes can ask for gigabytes.  The strongest presets (xz -9) take 65 MiB.
MAX_WINDOW = 80 * 1024 * 1024
#: The same for Zstandard, as a power of two.
MAX_WINDOW_LOG = 26
#: The most streams that may follow one another, as parallel packers write them.  A body
#: can have a hundred thousand empty ones, and each takes the time to copy the rest.
MAX_STREAMS = 100

Unpack = Callable[[bytes, int], bytes]


def unpacked(body: bytes, method: object) -> bytes:
    """*body* unpacked.

    :param method: what Kombu's header ``compression`` says.
    :raises MessageDecodeError: it is not packed so, or would be too large.
    """
    unpack = _UNPACKERS.get(method) if isinstance(method, str) else None
    if unpack is None:
        raise MessageDecodeError(f"The compression {quoted(method, NAME)} is unknown")
    name = line(str(method), NAME)
    try:
        content = unpack(body, MAX_UNPACKED + 1)
    except MessageDecodeError:
        raise
    except ImportError as exc:
        raise MessageDecodeError(
            f"The body is compressed ({name}), and no package that unpacks it is installed"
        ) from exc
    except Exception as exc:  # noqa: BLE001 - each package has errors of its own
        raise MessageDecodeError(
            f"The body cannot be unpacked ({name}): {line(str(exc), NAME)}"
        ) from cause(exc)
    if len(content) > MAX_UNPACKED:
        raise MessageDecodeError(
            f"The body is compressed ({name}) and unpacks to more than {MAX_UNPACKED:,} bytes; it "
            "is not read"
        )
    return content


def _streams(new: Callable[[], Any], body: bytes, limit: int) -> bytes:
    """The content of the streams of *body*, or its first part where that reaches *limit*.

    :param new: makes a decompressor as the standard library's are.
    """
    parts: list[bytes] = []
    left = limit
    for number in range(MAX_STREAMS):
        one = new()
        try:
            parts.append(one.decompress(body, left))
        except Exception:
            if number:
                # What follows the last stream is ignored, as by the standard library.
                break
            raise
        left -= len(parts[-1])
        if left <= 0:
            break
        if not one.eof:
            raise EOFError("it ends too early")
        body = one.unused_data
        if not body:
            break
    else:
        raise MessageDecodeError(f"The body has more than {MAX_STREAMS} compressed streams")
    return b"".join(parts)


def _zlib(body: bytes, limit: int) -> bytes:
    one = zlib.decompressobj()
    content = one.decompress(body, limit)
    if len(content) < limit and not one.eof:
        raise EOFError("it ends too early")
    return content


def _bz2(body: bytes, limit: int) -> bytes:
    return _streams(bz2.BZ2Decompressor, body, limit)


def _lzma(body: bytes, limit: int) -> bytes:
    return _streams(partial(lzma.LZMADecompressor, memlimit=MAX_WINDOW), body, limit)


def _brotli(body: bytes, limit: int) -> bytes:
    try:
        brotli: Any = import_module("brotli")
    except ImportError:
        brotli = import_module("brotlicffi")
    one = brotli.Decompressor()
    try:
        content: bytes = one.process(body, output_buffer_limit=limit)
    except TypeError as exc:
        raise MessageDecodeError(
            "This version of Brotli cannot limit what it unpacks: install 1.2 or later"
        ) from exc
    if len(content) < limit and not one.is_finished():
        raise EOFError("it ends too early")
    return content


def _zstd(body: bytes, limit: int) -> bytes:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            zstd: Any = import_module(name)
        except ImportError:
            continue
        options = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
        return _streams(partial(zstd.ZstdDecompressor, options=options), body, limit)
    # What Kombu before 5.7 uses.
    zstandard: Any = import_module("zstandard")
    unpacker = zstandard.ZstdDecompressor(max_window_size=2**MAX_WINDOW_LOG)
    content: bytes = unpacker.stream_reader(body).read(limit)
    return content


#: By the names that Kombu's header ``compression`` may have.
_UNPACKERS: dict[str, Unpack] = {
    "application/x-gzip": _zlib,
    "gzip": _zlib,
    "zlib": _zlib,
    "application/x-bz2": _bz2,
    "bzip2": _bz2,
    "bzip": _bz2,
    "application/x-lzma": _lzma,
    "lzma": _lzma,
    "xz": _lzma,
    "application/x-brotli": _brotli,
    "brotli": _brotli,
    "application/zstd": _zstd,
    "zstd": _zstd,
    "zstandard": _zstd,
}
