"""Throttling: KMS's is shown to botocore by a code that it knows, and so tries again after."""

from __future__ import annotations

from typing import Any

#: By the name of an error's code in SQS's own way, and in that of its older protocol.
_OF_KMS = frozenset({"KMS.ThrottlingException", "KmsThrottled"})
_KNOWN = "ThrottlingException"
#: Where the code is kept meanwhile.
_OWN = "OwnCode"


def show_throttling(client: Any) -> None:
    """Have botocore try again, as often as what else is throttled, what KMS throttles.

    A message to an encrypted queue, and up to 9 with it, would fail at once.
    """
    client.meta.events.register_first("needs-retry.sqs", _show)
    client.meta.events.register_last("needs-retry.sqs", _take_back)


def _show(response: Any = None, **kwargs: Any) -> None:
    error = _error(response)
    code = str(error.get("Code", ""))
    if code.rpartition("#")[2] in _OF_KMS:
        error["Code"], error[_OWN] = _KNOWN, code


def _take_back(response: Any = None, **kwargs: Any) -> None:
    error = _error(response)
    if _OWN in error:
        error["Code"] = error.pop(_OWN)


def _error(response: Any) -> dict[str, Any]:
    """What *response*, an HTTP response and what was read in it, says of an error."""
    found = None if response is None else response[1].get("Error")
    return found if isinstance(found, dict) else {}
