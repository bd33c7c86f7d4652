"""Sparkline: numbers as a small line, in SVG."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 90, 24


def sparkline(numbers: Sequence[float], label: str, marked: Sequence[float] = ()) -> SafeString:
    """An ``<svg>`` with a line from the oldest of *numbers* to the latest.

    :param label: what it shows, for those who do not see it.
    :param marked: a second line on the same scale, in the colour of errors.
    """
    highest = max([*numbers, *marked, 1])
    return format_html(
        '<svg class="sqs-sparkline" role="img" aria-label="{}" width="{}" height="{}" '
        'viewBox="0 0 {} {}"><polyline points="{}" fill="none"/>'
        '<polyline class="sqs-marked" points="{}" fill="none"/></svg>',
        label,
        WIDTH,
        HEIGHT,
        WIDTH,
        HEIGHT,
        _points(numbers, highest),
        _points(marked, highest),
    )


def _points(numbers: Sequence[float], highest: float) -> str:
    step = WIDTH / max(1, len(numbers) - 1)
    return " ".join(
        f"{place * step:.1f},{HEIGHT - 1 - number / highest * (HEIGHT - 2):.1f}"
        for place, number in enumerate(numbers)
    )
