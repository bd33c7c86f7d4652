"""CappedPaginator: pages of a table of any size, whose rows are not all counted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator

#: Rows that are counted, and reached, at most; who wants others, filters or searches.
MOST = 10_000


if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    # Django's own cannot be subscripted.
    _Paginator = Paginator


class CappedPaginator(_Paginator):
    """Counts up to :data:`MOST` rows: a count of a large table takes longer than its page."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, as far as it counts."""
        rows: Any = self.object_list
        return int(rows.order_by()[:MOST].count())
