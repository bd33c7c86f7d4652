"""Clock: whether that of this machine is off, so that SQS refuses what is signed by it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError

#: Seconds that a clock may be off before it is what SQS refuses; AWS takes 300.
TOLERATED = 240.0
#: The codes, bare, of a refusal that may be the clock's fault.
_REFUSALS = frozenset(
    {
        "InvalidSignature",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


def seconds_off(code: str, exc: ClientError) -> float | None:
    """How many seconds the clock is ahead of SQS's (negative: behind), if it was refused for that.

    :param code: the bare code of the refusal *exc*.
    """
    if code not in _REFUSALS:
        return None
    headers = exc.response.get("ResponseMetadata", {}).get("HTTPHeaders") or {}
    try:
        off = time.time() - parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return off if abs(off) > TOLERATED else None
