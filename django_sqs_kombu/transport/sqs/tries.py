"""Tries: a request is tried again where there is too little time to leave that to botocore."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .failures import may_pass_soon
from .waits import is_worth_another

#: Seconds before each try after the first.  A 503 of SQS is mostly gone at the second.
PAUSES = (0.1, 0.4)


def few_times(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What *ask* returns, which sends a request once, at its first try or at one soon after.

    What passes by itself is tried again while the time of this thread lasts: no answer, an error
    in SQS, and throttling.

    :raises botocore.exceptions.ClientError: SQS refused.
    :raises botocore.exceptions.BotoCoreError: it could not be asked.
    """
    for pause in PAUSES:
        try:
            return ask()
        except (BotoCoreError, ClientError) as exc:
            if not (may_pass_soon(exc) and is_worth_another(pause)):
                raise
        time.sleep(pause)
    return ask()
