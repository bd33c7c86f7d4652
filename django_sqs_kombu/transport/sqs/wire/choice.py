"""Choice: what sends the frequent requests of a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import botocore.session
from botocore.client import BaseClient

from ....posix import IS_POSIX
from .fitness import HAS_CURL, HOT, say_why
from .signing import Keys

__all__ = ["HOT", "Lane", "new_lane"]


class Lane(Protocol):
    """What sends a client's frequent requests."""

    @property
    def fits(self) -> bool:
        """Whether they may be sent this way now."""

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request; return what SQS answered."""

    def make_ready(self) -> None:
        """Wait for the credentials that :meth:`ready` has then."""

    def ready(self, operation: str) -> Keys | None:
        """The credentials to :meth:`begin` a request with; None: it cannot be begun now."""

    def begin(
        self,
        operation: str,
        params: Mapping[str, Any],
        keys: Keys,
        seconds: float | None,
        ended: Callable[[dict[str, Any] | Exception], None],
    ) -> Any:
        """Send one request, and do not wait for its answer."""


def new_lane(client: Any, session: botocore.session.Session) -> Lane | None:
    """A lane for *client*, a boto3 client for SQS made of *session*; None: there can be none."""
    if not HAS_CURL:
        say_why("pycurl cannot be imported" if IS_POSIX else "this is not a POSIX system")
        return None
    if not isinstance(client, BaseClient):
        # A test may have put something in the place of boto3's clients.
        return None
    from .lane import CurlLane

    return CurlLane(client, session)
