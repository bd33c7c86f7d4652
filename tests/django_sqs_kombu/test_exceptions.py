"""Every exception has one home, however many files there are."""

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
