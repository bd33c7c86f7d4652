"""Which queues a process of this project receives from."""

from __future__ import annotations

from collections.abc import Sequence

from django_sqs_kombu.exceptions import ConfigurationError
from django_sqs_kombu.registration import RegisteredQueue

from ..conf import conf
from ..registry import receivers


def chosen_here(names: Sequence[str]) -> list[RegisteredQueue]:
    """The queues of these names, or all but those that SQS_LAMBDA_QUEUES leaves to AWS Lambda.

    :raises UnknownQueue: none of that name is registered.
    :raises ConfigurationError: one that is named is left to AWS Lambda.
    """
    chosen, elsewhere = receivers.select(names), conf.lambda_queues
    for each in chosen if names else ():
        if each.name in elsewhere:
            raise ConfigurationError(
                f"Queue {each.name!r} is left to AWS Lambda: remove it from "
                "SQS_LAMBDA_QUEUES to receive from it here."
            )
    return [each for each in chosen if each.name not in elsewhere]
