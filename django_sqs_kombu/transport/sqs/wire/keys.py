"""Keys: the credentials that requests are signed with, renewed before they are over."""

from __future__ import annotations

import time
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from ....logs import get_logger
from ....printable import line
from ..sessions import told_by_provider
from ..threads import Threads
from .signing import Keys

logger = get_logger(__name__)

#: Seconds before their end until which credentials are signed with while others are got.
LAST = 15.0
#: Seconds between two tries to renew them.
PAUSE = 5.0

#: What they come from, such as STS or a metadata service, may not answer for a while.
_threads = Threads("sqs-keys")


class SessionKeys:
    """The credentials of a session; safe to use from any thread.

    botocore renews credentials in the thread that asks for them.  Here a thread of its own does,
    as soon as they may be renewed: whoever must not wait signs with the last ones meanwhile,
    which are good until their end.
    """

    def __init__(self, session: botocore.session.Session) -> None:
        self._session = session
        self._found: Any = None
        self._last: Keys | None = None
        #: When a renewal was begun last, on the monotonic clock.
        self._renewed_at = -PAUSE

    def now(self) -> Keys:
        """Those to sign with; it may wait until they are found, or renewed.

        :raises botocore.exceptions.BotoCoreError: there are none, or none that are still good.
        """
        with told_by_provider("boto3's chain"):
            found = self._found = self._session.get_credentials()
            if found is None:
                raise NoCredentialsError
            last: Keys = found.get_frozen_credentials()
        self._last = last
        return last

    def at_once(self) -> Keys | None:
        """Those to sign with, without waiting for anything; None: they must be waited for."""
        found, last = self._found, self._last
        if found is None or last is None:
            return None
        # Only those that end have it.
        needs_renewal = getattr(found, "refresh_needed", None)
        if needs_renewal is None or not needs_renewal():
            keys: Keys = found.get_frozen_credentials()
            return keys
        if needs_renewal(LAST):
            return None
        self._renew()
        return last

    def _renew(self) -> None:
        now = time.monotonic()
        if now - self._renewed_at < PAUSE:
            return
        self._renewed_at = now
        try:
            _threads.run(self._renew_here)
        except RuntimeError as exc:
            logger.warning("The thread that renews the credentials cannot be started: %s", exc)

    def _renew_here(self) -> None:
        try:
            self.now()
        except (BotoCoreError, ClientError, OSError, RuntimeError) as exc:
            # Those who need others tell what it means for them.
            logger.warning("Credentials that expire soon could not be renewed: %s", line(str(exc)))
