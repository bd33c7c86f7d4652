"""Fixtures for a project's tests; pytest finds them where django-sqs is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django_sqs_kombu.messages import RawMessage
    from django_sqs_kombu.testing import SentMessages

# What needs the settings is imported when a test asks for it.


@pytest.fixture
def sqs_outbox() -> Iterator[SentMessages]:
    """The messages that the test sends, in a list in place of SQS."""
    from django_sqs_kombu.testing import captured

    from .registry import receivers

    with captured(receivers) as sent:
        yield sent


@pytest.fixture
def sqs_eager() -> Iterator[None]:
    """What the test sends is received at once, without SQS."""
    from django_sqs_kombu.testing import eager

    from .registry import receivers

    with eager(receivers):
        yield


@pytest.fixture
def sqs_nothing_sent() -> Iterator[None]:
    """Fails a test that sends by mistake; ``usefixtures = sqs_nothing_sent`` is for all tests.

    What ``sqs_outbox``, ``sqs_eager`` and ``sqs_server`` take is meant.
    """
    from .testing import nothing_sent

    with nothing_sent():
        yield


@pytest.fixture
def sqs_server() -> Iterator[str]:
    """The URL of a local SQS server that the settings point to (extra ``local``)."""
    from .testing import local_server

    with local_server() as url:
        yield url


@pytest.fixture
def message_factory() -> Callable[..., RawMessage]:
    """``message_factory(queue_name, body=...)`` makes a message as the receiver gets it."""
    from .testing import message

    return message
