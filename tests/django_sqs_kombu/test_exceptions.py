"""Every exception has one home, however many files there are."""

import copy
import pickle
import typing

import pytest

from django_sqs_kombu import exceptions, restarts

OWN = [
    each
    for each in vars(exceptions).values()
    if isinstance(each, type) and each.__module__.startswith("django_sqs_kombu")
]


@pytest.mark.parametrize("each", OWN, ids=lambda each: each.__name__)
def test_it_is_named_by_where_it_is_imported_from(each):
    home = restarts if hasattr(restarts, each.__name__) else exceptions

    assert each.__module__ == home.__name__
    assert getattr(home, each.__name__) is each
    assert pickle.loads(pickle.dumps(each)) is each


def test_the_hints_of_what_was_not_accepted_are_readable():
    hints = typing.get_type_hints(exceptions.BatchFailure)

    assert hints["error"] is exceptions.SQSError
    assert hints["item"] is typing.Any


UNREACHED = exceptions.EndpointUnreachable(
    "No answer", operation="SendMessage", queue="orders", code="Timeout", request_id="r-1"
)


@pytest.mark.parametrize(
    "error",
    [
        UNREACHED,
        exceptions.MessageTooLarge("orders", 2_000_000, 1_048_576),
        exceptions.NoReceiver("orders"),
        exceptions.QueueNameError("a b", "it has a space"),
        exceptions.SendManyFailed(
            "orders", 1, [exceptions.SendFailure(0, "item", UNREACHED)], None
        ),
        exceptions.UnknownQueue("orders", ("parcels",)),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("carried", [lambda each: pickle.loads(pickle.dumps(each)), copy.copy])
def test_it_is_the_same_in_another_process(error, carried):
    # Else Celery reports a base class of it, and a multiprocessing.Pool waits for ever.
    arrived = carried(error)

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.__dict__.keys() == error.__dict__.keys()
    assert getattr(arrived, "code", None) == getattr(error, "code", None)
