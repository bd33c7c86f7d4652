"""Grouping: the message group that a queue gives to what is sent to it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ..exceptions import ConfigurationError
from ..messages.base import RawMessage
from ..names import FIFO
from ..rules import Rule, check, function, optional, whole

#: What a message is grouped by: a text or a number; None: by nothing.
GroupOf = Callable[[Any], Any]


_FUNCTION = optional(function(1, "the message"))
_RULES: dict[str, Rule] = {"tenant": _FUNCTION, "key": _FUNCTION, "at_most": optional(whole(1))}


class Grouping:
    """The message group of each message that names none itself.

    :param where: stands before the names of options in errors.
    :param name: the queue's name.
    :param tenant: whose message it is: the group of a fair queue, where none waits for another's.
    :param key: what is not to be worked on more than *at_most* times at once, in a FIFO queue.
    :param at_most: of how many groups of a key each message gets one, by chance.
    :raises ConfigurationError: for options that are invalid.
    """

    def __init__(
        self,
        where: str,
        name: str,
        *,
        tenant: GroupOf | None = None,
        key: GroupOf | None = None,
        at_most: int | None = None,
    ) -> None:
        check(where, _RULES, {"tenant": tenant, "key": key, "at_most": at_most})
        if (key is None) != (at_most is None):
            raise ConfigurationError(f"{where}at_most and key belong together: give both")
        if key is not None and not name.endswith(FIFO):
            raise ConfigurationError(
                f"{where}key and at_most are for FIFO queues, whose names end in {FIFO!r}: SQS "
                "hands out one message of a group at a time there"
            )
        if tenant is not None and name.endswith(FIFO):
            raise ConfigurationError(
                f"{where}tenant is for standard queues; in a FIFO queue give group_id or key"
            )
        self._tenant = tenant
        self._key = key
        self._at_most = at_most or 1

    def of(self, message: RawMessage) -> str | None:
        """The group of *message*; None: it is given none."""
        if self._tenant is not None:
            tenant = self._tenant(message)
            return None if tenant is None else str(tenant)
        if self._key is not None:
            key = self._key(message)
            # By chance: turns would follow those of the keys.
            slot = random.randrange(self._at_most)  # noqa: S311 - it guards nothing
            return None if key is None else f"{key}-{slot}"
        return None
