"""Fixtures for a project's tests; pytest finds them where django-sqs is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django_sqs_kombu.messages import RawMessage
    from django_sqs_kombu.testing import SentMessages

# What needs the settings is imported when a test asks for it.


@pytest.fixture
def sqs_outbox() -> Iterator[SentMessages]:
    """Collect the messages that the test sends in a list, instead of sending them."""
    from django_sqs_kombu.testing import captured

    from .registry import receivers

    with captured(receivers) as sent:
        yield sent


@pytest.fixture
def sqs_eager() -> Iterator[None]:
    """Run the receiver of each message that the test sends at once, without SQS."""
    from django_sqs_kombu.testing import eager

    from .registry import receivers

    with eager(receivers):
        yield


# For all tests, so that it comes before their own fixtures of a session: pytest before 9 would
# put it behind them if it were asked for by the fixture below.
@pytest.fixture(scope="session", autouse=True)
def _sqs_nothing_sent_beside(request: pytest.FixtureRequest) -> Iterator[None]:
    # What is set up for several tests, such as setUpTestData, runs before a fixture of one test.
    if "sqs_nothing_sent" not in request.config.getini("usefixtures"):
        yield
        return
    from .testing import ForgottenSend, nothing_sent

    # It has been raised where it was sent; here the last of all tests would be blamed for it.
    with suppress(ForgottenSend), nothing_sent():
        yield


@pytest.fixture
def sqs_nothing_sent() -> Iterator[None]:
    """Fail a test that sends by mistake; ``usefixtures = sqs_nothing_sent`` covers all tests.

    Then it also covers what is set up for a class, a module or the session.  Messages that
    ``sqs_outbox``, ``sqs_eager`` and ``sqs_server`` catch are allowed.
    """
    from .testing import nothing_sent

    with nothing_sent():
        yield


@pytest.fixture
def sqs_server() -> Iterator[str]:
    """Start a local SQS server (extra ``local``), point the settings to it, and give its URL."""
    from .testing import local_server

    with local_server() as url:
        yield url


@pytest.fixture
def message_factory() -> Callable[..., RawMessage]:
    """Make messages as receivers get them: ``message_factory(queue_name, body=...)``."""
    from .testing import message

    return message


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Say in the report of a test that failed which sends it left waiting for a commit."""
    report = (yield).get_result()
    commits = sys.modules.get("django_sqs.commits")
    if commits is not None and report.when == "call" and report.failed and commits.sends_wait():
        from .testing import WAITING

        report.sections.append(("django-sqs", WAITING))
