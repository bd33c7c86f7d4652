"""CutOff: a receiver was cancelled since its worker had to end."""

from __future__ import annotations

from ..exceptions import SQSError


class CutOff(SQSError):
    """An asynchronous receiver still ran at the end of the grace period, and was cancelled.

    Its message is given back, visible at once.
    """
