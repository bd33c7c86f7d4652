"""Listing: the URLs of many queues, asked for together."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ...exceptions import RequestFailed
from ...logs import get_logger
from .calls import Calls
from .declaration import DEAD_LETTER_ARGUMENT
from .forks import renew_after_fork

logger = get_logger(__name__)

#: The fewest queues for which it is worth it: ListQueues is slow, and often not allowed.
MANY = 100
#: Queues that one request tells of at most.
PAGE = 1000


class Listing:
    """Finds the URLs of queues that are about to be consumed; safe to use from any thread.

    It is tried once for a connection.  What it does not find, since it is not allowed or the
    queue is new, is asked for by its name.

    :param calls: what sends the requests.
    :param declarations: the arguments declared for queues, by name; others may add to them.
    """

    def __init__(self, calls: Calls, declarations: Mapping[str, Mapping[str, Any]]) -> None:
        self._calls = calls
        self._account = calls.account
        self._declarations = declarations
        self._tried = False
        self._setup()
        renew_after_fork(self)

    def _setup(self) -> None:
        self._lock = threading.Lock()

    def renew_after_fork(self) -> None:
        """Wait for no thread of the parent, in a forked child."""
        self._setup()

    def is_due(self, queue: str) -> bool:
        """Whether the URL of *queue* may be found by :meth:`find`, with those of others."""
        if self._tried or self._account.predefined or len(self._declarations) < MANY:
            return False
        return self._account.url(queue) is None

    def find(self) -> None:
        """Learn the URLs of what is declared, where many are unknown; it waits for the answers.

        Also those of their dead-letter queues, where their names begin as the others'.
        """
        with self._lock:
            if self._tried:
                return
            declared = list(self._declarations.items())
            wanted = self._unknown(name for name, _ in declared)
            if len(wanted) < MANY:
                return
            dead = (of[DEAD_LETTER_ARGUMENT] for _, of in declared if DEAD_LETTER_ARGUMENT in of)
            try:
                self._learn(_beginning(wanted), wanted | self._unknown(dead))
            except RequestFailed as exc:
                logger.debug("The queues' URLs are asked for one by one: %s", exc)
            finally:
                self._tried = True

    def _unknown(self, queues: Iterable[str]) -> set[str]:
        """The names in SQS of those of *queues* whose URLs are not known."""
        names = map(self._account.canonical, queues)
        return {name for name in names if name not in self._account.urls}

    def _learn(self, prefix: str, wanted: set[str]) -> None:
        for url in self._urls(prefix, len(wanted)):
            name = url.rpartition("/")[2]
            if name in wanted:
                wanted.discard(name)
                self._account.urls[name] = url
            if not wanted:
                return

    def _urls(self, prefix: str, count: int) -> Iterator[str]:
        asked: dict[str, Any] = {"MaxResults": PAGE}
        if prefix:
            asked["QueueNamePrefix"] = prefix
        # Where others have many more of that prefix, asking for each takes fewer requests.
        for _ in range(count // PAGE + 2):
            answer = self._calls.ask("ListQueues", prefix, **asked)
            urls = answer.get("QueueUrls")
            if isinstance(urls, list):
                yield from (url for url in urls if isinstance(url, str))
            if not answer.get("NextToken"):
                return
            asked["NextToken"] = answer["NextToken"]


def _beginning(names: Collection[str]) -> str:
    """What all of *names* begin with."""
    first, last = min(names), max(names)
    same = zip(first, last, strict=False)
    end = next((at for at, (one, other) in enumerate(same) if one != other), len(first))
    return first[:end]
