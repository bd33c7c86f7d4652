"""Chart: what receivers did over some time, in SVG, with words for those who do not see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from .history import History

WIDTH, HEIGHT = 720, 60


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the charts that stand above each other.

    :param title: what it shows, with the figures that matter.
    :param svg: the chart.
    """

    title: str
    svg: SafeString


def panels(history: History) -> list[Panel]:
    """The charts of *history*: messages, waits, and receivers that ran."""
    received, failed = sum(history.received), sum(history.failed)
    titles = (
        gettext("%(received)s received, %(failed)s failed")
        % {"received": _number(received), "failed": _number(failed)},
        gettext("Waited up to %(seconds)s s") % {"seconds": _number(max(history.waited), 1)},
        gettext("Up to %(number)s running, on average")
        % {"number": _number(max(history.running), 1)},
    )
    return [
        Panel(titles[0], _bars(history.received, history.failed, titles[0], history)),
        Panel(titles[1], _bars(history.waited, (), titles[1], history)),
        Panel(titles[2], _bars(history.running, (), titles[2], history)),
    ]


def _bars(
    numbers: Sequence[float], marked: Sequence[float], title: str, history: History
) -> SafeString:
    """A bar for each number, and in front of it one in the colour of errors."""
    highest = max([*numbers, *marked]) or 1
    return format_html(
        '<svg class="sqs-chart" role="img" aria-label="{}: {}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none">{}{}</svg>',
        history.span.title,
        title,
        WIDTH,
        HEIGHT,
        _rects(numbers, highest, ""),
        _rects(marked, highest, "sqs-marked"),
    )


def _rects(numbers: Sequence[float], highest: float, css: str) -> SafeString:
    step = WIDTH / max(1, len(numbers))
    # One that is not nothing is seen.
    tall = [max(1.5, number / highest * HEIGHT) if number else 0.0 for number in numbers]
    return format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
        (
            (css, f"{place * step:.1f}", f"{HEIGHT - h:.1f}", f"{step * 0.8:.1f}", f"{h:.1f}")
            for place, h in enumerate(tall)
            if h
        ),
    )


def _number(number: float, digits: int = 0) -> str:
    # Django's cuts.
    return number_format(round(number, digits), digits, force_grouping=True)
