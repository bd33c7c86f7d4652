"""What was not accepted is told in words that suit one message and many."""

import pytest

from django_sqs_kombu.exceptions import BatchFailed, BatchFailure, SendManyFailed, SQSError

FAILURE = BatchFailure(0, "x", SQSError("late"), "orders")


@pytest.mark.parametrize("failed", [1, 2])
def test_messages_that_were_not_accepted(failed):
    many = SendManyFailed("orders", 1, [FAILURE] * failed, None)
    batch = BatchFailed(1, [FAILURE] * failed)

    assert str(many) == (
        f"Messages for queue 'orders': {failed} not accepted, 1 accepted. "
        "The first refused is item 0: late"
    )
    assert str(batch) == (
        f"Messages of a batch(): {failed} not accepted (queues: orders), 1 accepted. "
        "The first refused is message 0: late"
    )
