"""Groups of exceptions with a lost statement among them, as far as they need no database."""

import builtins

import pytest
from django.db import OperationalError

from django_sqs.database_errors import StatementLost, as_it_counts

pytestmark = pytest.mark.skipif(
    not hasattr(builtins, "ExceptionGroup"), reason="Python 3.10 has no groups"
)


class Lost(Exception):
    sqlstate = "26000"


@pytest.fixture
def lost():
    error = OperationalError("prepared statement does not exist")
    error.__cause__ = Lost()
    return error


@pytest.fixture
def own():
    """A class of groups without a derive() of its own: Python makes plain groups of it."""

    class Own(builtins.ExceptionGroup):
        pass

    return Own


def test_a_group_of_lost_statements_alone_is_one_of_what_they_are(lost, own):
    counts = as_it_counts(own("several", [lost]))

    assert [type(each) for each in counts.exceptions] == [StatementLost]


def test_one_with_something_else_in_it_keeps_its_class_which_a_policy_may_name(lost, own):
    group = own("several", [lost, ValueError("another")])

    assert as_it_counts(group) is group


def test_a_plain_group_with_something_else_in_it_is_one_of_what_they_are(lost):
    group = builtins.ExceptionGroup("several", [lost, ValueError("another")])

    counts = as_it_counts(group)

    assert [type(each) for each in counts.exceptions] == [StatementLost, ValueError]


def test_a_class_that_derives_no_exception_counts_as_it_is(lost, own):
    class Odd(own):
        def derive(self, excs):
            return None

    group = Odd("several", [lost])

    assert as_it_counts(group) is group
