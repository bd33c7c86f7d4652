"""Helpers for a project's tests: what was sent, eager mode, made-up messages, a local server.

``pytest`` finds them as fixtures (:mod:`django_sqs.pytest_plugin`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import TestCase
from uuid import uuid4

from django.test import override_settings

from django_sqs_kombu import testing
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.testing import (
    ForgottenSend,
    SentMessage,
    SentMessages,
    captured,
    eager,
    received_message,
    sent_to_sqs,
)

from .commits import sends_wait
from .development.local_server import LocalServer
from .registry import receivers

__all__ = [
    "ForgottenSend",
    "SQSTestMixin",
    "SentMessage",
    "SentMessages",
    "eager",
    "local_server",
    "message",
    "nothing_sent",
]

#: What a test that sends by mistake is told.
INSTEAD = (
    "In a test that is meant to send, use sqs_outbox (or SQSTestMixin), sqs_eager (or SQS_EAGER) "
    "or "
    "sqs_server."
)

#: What a test that fails is told if it left sends waiting.
WAITING = (
    "Sends wait for a commit, and the transaction of a TestCase or of django_db is never "
    "committed. Put the code that sends into captureOnCommitCallbacks(execute=True) (pytest: the "
    "fixture django_capture_on_commit_callbacks), or use TransactionTestCase "
    "(django_db(transaction=True))."
)

_ANY = object()


def message(queue_name: str, *args: Any, **kwargs: Any) -> RawMessage:
    """Return a message of a registered queue, as its receiver gets it.

    The arguments are those of :func:`django_sqs_kombu.testing.received_message`.

    :raises UnknownQueue: if no queue has this name.
    """
    return received_message(receivers.get(queue_name), *args, **kwargs)


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Fail if a message is sent that is not kept, received at once or meant for a local server.

    :raises ForgottenSend: where the message is sent, and at the end of the block.
    """
    with testing.nothing_sent(receivers, INSTEAD):
        yield


class SQSTestMixin:
    """Keep sent messages in ``self.sqs_outbox``; the first base of a ``unittest.TestCase``."""

    sqs_outbox: SentMessages

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class whose messages would be sent to SQS.

        :raises TypeError: the mixin stands behind the TestCase, which would not call it.
        """
        super().__init_subclass__(**kwargs)
        if TestCase in (order := cls.__mro__) and order.index(TestCase) < order.index(SQSTestMixin):
            raise TypeError(
                f"{cls.__qualname__}: put SQSTestMixin before the TestCase among its base classes, "
                f"as in class {cls.__name__}(SQSTestMixin, TestCase). Behind it, it keeps no "
                "message from SQS."
            )

    @classmethod
    def setUpClass(cls) -> None:
        """Keep from SQS what the class sends for all its tests, as in ``setUpTestData``."""
        keeping = captured(receivers)
        keeping.__enter__()
        cls.addClassCleanup(keeping.__exit__, None, None, None)  # type: ignore[attr-defined]
        super().setUpClass()  # type: ignore[misc]

    def setUp(self) -> None:
        """Keep the messages that are sent from now on."""
        super().setUp()  # type: ignore[misc]
        keeping = captured(receivers)
        self.sqs_outbox = keeping.__enter__()
        self.addCleanup(keeping.__exit__, None, None, None)  # type: ignore[attr-defined]

    def assertMessageSent(  # noqa: N802 - as unittest's
        self, queue_name: str, body: Any = _ANY, *, count: int | None = None
    ) -> None:
        """Assert that a message was sent to a queue.

        :param body: its value; any, if not given.
        :param count: the exact number of such messages; None: one or more.
        """
        sent = self.sqs_outbox.to(queue_name)
        found = [each for each in sent if body is _ANY or each.body == body]
        right = len(found) == count if count is not None else bool(found)
        if not right:
            wanted = "a message" if body is _ANY else f"a message with body {body!r}"
            raise AssertionError(
                f"{len(found)} times {wanted} was sent to {queue_name!r}, not "
                f"{'once or more' if count is None else count}. Sent: "
                f"{[(each.queue_name, _shown(each)) for each in self.sqs_outbox]}. "
                f"{WAITING if sends_wait() else ''}".rstrip()
            )


def _shown(sent: SentMessage) -> Any:
    """A message's value; its text, where that has none by now, as a row that was deleted."""
    try:
        return sent.body
    except Exception:  # noqa: BLE001 - the assertion is about another message
        return sent.outgoing.body


@contextmanager
def local_server() -> Iterator[str]:
    """Start a local SQS server (moto, extra ``local``), and point the settings to it.

    It yields the server's URL.  Each time, the queues have a new prefix.
    """
    server = LocalServer("127.0.0.1", 0)
    server.start()
    try:
        with (
            override_settings(
                SQS_ENDPOINT_URL=server.url,
                SQS_S3_ENDPOINT_URL=server.url,
                SQS_QUEUE_PREFIX=f"test-{uuid4().hex[:8]}",
                SQS_CREATE_QUEUES=True,
                SQS_EAGER=False,
                AWS_ACCESS_KEY_ID="testing",
                AWS_SECRET_ACCESS_KEY="testing",  # noqa: S106 - what any local server takes
                AWS_SESSION_TOKEN=None,
                AWS_REGION="us-east-1",
                SQS_ACCESS_KEY_ID=None,
                SQS_SECRET_ACCESS_KEY=None,
                SQS_SESSION_TOKEN=None,
                SQS_REGION=None,
            ),
            sent_to_sqs(receivers),
        ):
            yield server.url
            receivers.close()
    finally:
        server.stop()
