"""Where an app announces that it keeps the results of tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..optional import Announced

if TYPE_CHECKING:
    # Late: it needs the Tasks framework.
    from .store import Store

stores: Announced[Callable[[], Store]] = Announced()
