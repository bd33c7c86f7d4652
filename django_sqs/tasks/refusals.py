"""Refusals: which of many tasks a send that failed has not handed over."""

from __future__ import annotations

from django_sqs_kombu.exceptions import SendManyFailed, SQSError


def refused(exc: SQSError, count: int) -> set[int]:
    """The numbers, from 0, of those of *count* that were not sent."""
    if not isinstance(exc, SendManyFailed):
        return set(range(count))
    numbers = {failed.number for failed in exc.failures}
    if exc.untried_from is not None:
        numbers.update(range(exc.untried_from, count))
    return numbers
