"""Writing JSON as briefly as it can be sent: what AWS wrote must not outgrow SQS's limit here."""

from __future__ import annotations

import json
from typing import Any

from ..transport.sending.checks import FORBIDDEN


def compact(value: Any) -> str:
    """*value* as JSON without blanks; of what is no ASCII only what SQS refuses is escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Halves of characters and the two non-characters: they stand in strings alone.
    return text if text.isascii() else FORBIDDEN.sub(lambda f: f"\\u{ord(f[0]):04x}", text)
