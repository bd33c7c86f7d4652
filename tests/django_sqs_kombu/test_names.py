from functools import partial

import pytest

from django_sqs_kombu import Receivers
from django_sqs_kombu.exceptions import ConfigurationError, QueueNameError
from django_sqs_kombu.names import default_name, join_name, validate_name
from django_sqs_kombu.registration.declaration import QueueDeclaration
from django_sqs_kombu.rules import VISIBILITY_TIMEOUT


def a_function():
    pass


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("", "orders", None), "orders"),
        (("dev", "orders", None), "dev__orders"),
        (("dev", "orders", "big"), "dev__orders__big"),
        (("dev", "orders.fifo", "big"), "dev__orders__big.fifo"),
        (("", "orders.fifo", None), "orders.fifo"),
    ],
)
def test_names_are_joined_as_the_original_did(parts, name):
    assert join_name(*parts) == name


def test_default_name_is_module_and_function():
    assert default_name(a_function) == "tests__django_sqs_kombu__test_names__a_function"


def test_default_name_of_a_partial_is_that_of_its_function():
    assert default_name(partial(partial(a_function))) == default_name(a_function)


def test_a_lambda_is_told_to_need_a_name_for_its_queue():
    for fn in (lambda message: None, partial(lambda message: None)):
        with pytest.raises(ConfigurationError, match="give receiver\\(\\) a queue_name"):
            Receivers("sqs-batch://").receiver()(fn)


@pytest.mark.parametrize("name", ["a", "a" * 80, "A-z_09", "a.fifo", "a" * 75 + ".fifo"])
def test_legal_names(name):
    assert validate_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".fifo", "empty"),
        ("a" * 81, "81 characters"),
        ("a" * 76 + ".fifo", "81 characters"),
        ("two words", "not ' '"),
        ("dotted.name", r"not '\.'"),
        ("żółw", "not 'óżł'|not"),
    ],
)
def test_illegal_names_say_why(name, reason):
    with pytest.raises(QueueNameError, match=reason) as caught:
        validate_name(name)
    assert caught.value.name == name


@pytest.mark.parametrize("seconds", [-1, 43_201, 1.5, "60", True, None])
def test_visibility_timeouts_that_sqs_refuses(seconds):
    assert VISIBILITY_TIMEOUT(seconds)


def test_declaration_is_a_kombu_queue():
    queue = QueueDeclaration("dev__orders", 30, "raw").to_kombu()

    assert queue.name == queue.routing_key == "dev__orders"
    assert queue.queue_arguments == {"VisibilityTimeout": "30", "x-wire-format": "raw"}
