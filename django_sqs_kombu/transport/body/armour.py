"""Base64 as other programs write it: MIME, Ruby and Python's encodebytes break its lines."""

from __future__ import annotations

import base64


def unarmoured(text: str) -> bytes:
    """The bytes behind *text*, which may have line breaks, blanks around them included.

    :raises ValueError: anything else in it is no base64.
    """
    if "\n" in text or "\r" in text:
        text = "".join(part.strip(" \t") for part in text.replace("\r", "\n").split("\n"))
    return base64.b64decode(text.strip(), validate=True)
