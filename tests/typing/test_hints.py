"""Type hints of the public API can be read at run time, as frameworks and doc builders do."""

import inspect
import sys
import typing

import pytest

import django_sqs
import django_sqs_kombu
from django_sqs.registered_queue import DjangoQueue
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.unpack import Unpack


def public():
    """Functions, classes and public methods, each with its name."""
    own = [(module, name) for module in (django_sqs, django_sqs_kombu) for name in module.__all__]
    found = {f"{module.__name__}.{name}": getattr(module, name) for module, name in own}
    found |= {each.__qualname__: each for each in (DjangoQueue, RegisteredQueue)}
    for name, value in found.items():
        if inspect.isclass(value):
            yield from methods(name, value)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value


def methods(name, kind):
    for attribute in dir(kind):
        value = inspect.getattr_static(kind, attribute)
        value = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        ours = inspect.isfunction(value) and value.__module__.startswith("django_sqs")
        if ours and (not attribute.startswith("_") or attribute in ("__init__", "__call__")):
            yield f"{name}.{attribute}", value


def test_all_can_be_read():
    unread, read = {}, 0
    for name, value in public():
        try:
            typing.get_type_hints(value)
            read += 1
        except Exception as exc:
            unread[name] = exc

    assert unread == {}
    assert read > 300


@pytest.mark.parametrize("function", [django_sqs.send, RegisteredQueue.send, DjangoQueue.send])
def test_those_of_a_send_name_its_options(function):
    assert "SendKeywords" in str(typing.get_type_hints(function)["options"])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has none of its own")
def test_the_words_are_the_languages_own():
    assert Unpack is typing.Unpack
