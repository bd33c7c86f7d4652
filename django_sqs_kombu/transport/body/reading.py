"""Reading: from an SQS body to the payload that Kombu makes a message of."""

from __future__ import annotations

from typing import Any

from ...exceptions import MessageDecodeError
from ...printable import NAME, quoted
from .compression import unpacked
from .envelope import CONTENT_ENCODING, CONTENT_TYPE, UTF_8, foreign_payload, parse_envelope

JSON = "application/json"
#: What a ``content-encoding`` may be, and the codec that Kombu then gets.  Kombu would take
#: any of Python's: "bz2" and "zlib" unpack without a bound, "punycode" takes minutes.  Other
#: kombu producers write "utf-8" and "binary"; "ascii-8bit" is Ruby's name for the latter.
CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "ascii": "ascii",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "binary": "binary",
    "ascii-8bit": "binary",
    "base64": "base64",
}


def read_body(text: str) -> tuple[dict[str, Any], MessageDecodeError | None]:
    """The payload of *text*, an SQS body or what S3 held in its place.

    :returns: it, unpacked, so that Kombu unpacks nothing; and what is wrong with it, if it
        cannot be read.  Its body then is what was received.
    """
    payload = parse_envelope(text)
    if payload is None:
        return foreign_payload(text), None
    headers, encoding = payload["headers"], payload[CONTENT_ENCODING]
    if encoding == UTF_8 and "compression" not in headers:
        return payload, None
    method = headers.pop("compression", None)
    # Harmless, whatever becomes of it.
    payload[CONTENT_ENCODING] = UTF_8
    try:
        codec = _codec(encoding, payload[CONTENT_TYPE])
        if method:
            payload["body"] = unpacked(_packed(payload["body"]), method)
    except MessageDecodeError as exc:
        return payload, exc
    payload[CONTENT_ENCODING] = codec
    return payload, None


def _codec(encoding: str, content_type: str | None) -> str:
    codec = CODECS.get(encoding.lower().replace("_", "-"))
    if codec is None and content_type == JSON:
        # Kombu reads it as UTF-8, whatever it is said to be.
        return "utf-8"
    if codec is None:
        raise MessageDecodeError(
            f"The content encoding {quoted(encoding, NAME)} is not one of "
            f"{', '.join(sorted(CODECS))}"
        )
    return codec


def _packed(body: bytes | str) -> bytes:
    if isinstance(body, bytes):
        return body
    try:
        # Packed bytes that happen to be UTF-8 travel as text.
        return body.encode()
    except UnicodeEncodeError as exc:
        raise MessageDecodeError("A compressed body must be bytes, not text") from exc
