"""Request ids: by which AWS's support finds a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from ...exceptions import RequestFailed
from ...printable import line

#: The header of an answer that has it, in lower case.
HEADER = "x-amzn-requestid"
#: A longer one is not SQS's.
_LONGEST = 100

Failure = TypeVar("Failure", bound="RequestFailed | None")


def request_id(answer: Mapping[str, object]) -> str | None:
    """The id of the request that *answer* is to, a botocore answer or error; None: it has none."""
    metadata = answer.get("ResponseMetadata")
    found = metadata.get("RequestId") if isinstance(metadata, dict) else None
    return line(found, _LONGEST) if isinstance(found, str) and found else None


def named(failure: Failure, answer: Mapping[str, object]) -> Failure:
    """*failure*, with the id of the request that *answer* is to."""
    if failure is not None:
        failure.request_id = request_id(answer)
    return failure
