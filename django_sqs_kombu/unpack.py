"""Unpack: ``typing.Unpack``, which Python 3.10 lacks, also where hints are read at run time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Unpack as Unpack
elif sys.version_info >= (3, 11):
    from typing import Unpack as Unpack
else:
    try:
        from typing_extensions import Unpack as Unpack
    except ImportError:

        class Unpack:
            """What stands for it without typing_extensions, which is no dependency."""

            def __class_getitem__(cls, keywords: Any) -> Any:
                """The keywords themselves."""
                return keywords
