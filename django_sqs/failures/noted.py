"""What is noted of a message, for those who have it from SQS."""

from __future__ import annotations

from django.db import Error, transaction

from ..connections import alias_of, connect
from .models import Failure


def failed_with(full_name: str, ids: set[str]) -> str:
    """The exception class that a message failed with the last time, with its module.

    :param full_name: its queue's name in SQS.
    :param ids: those that it has had.
    :returns: empty, where it is unknown or the database cannot tell.
    """
    try:
        using = alias_of(Failure)
        connect(using)
        # Where somebody has a transaction open, it must not break.
        with transaction.atomic(using=using):
            rows = Failure.objects.using(using).filter(
                message_id__in={each[:100] for each in ids}, full_name=full_name
            )
            return rows.order_by("-pk").values_list("error_class", flat=True).first() or ""
    except Error:
        return ""
