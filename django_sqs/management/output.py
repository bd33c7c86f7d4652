"""Output: tables, progress and results, for a terminal, a pipe or a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from django.core.management.base import OutputWrapper

BAR = 30


class Output:
    """Writes what a command has to say.

    On a terminal tables and progress are drawn by rich, where that is installed (extra
    ``rich``); otherwise all is plain text.  As JSON there are only results.

    :param stdout: the command's.
    :param as_json: for a program.
    """

    def __init__(self, stdout: OutputWrapper, *, as_json: bool) -> None:
        self.as_json = as_json
        self._stdout = stdout

    @property
    def on_terminal(self) -> bool:
        """Whether a person is looking."""
        return not self.as_json and self._stdout.isatty()

    def say(self, text: str) -> None:
        """Tell a person something; not in JSON."""
        if not self.as_json:
            self._stdout.write(text)

    def result(self, value: Any, text: str | None = None) -> None:
        """The result: *value* as JSON, or *text*."""
        if self.as_json:
            self._stdout.write(json.dumps(value, indent=2))
        elif text is not None:
            self._stdout.write(text)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        title: str | None = None,
        numbers: int = 0,
    ) -> None:
        """A table for a person.

        :param numbers: how many of the last columns are numbers.
        """
        if self.on_terminal and (table := _rich_table(columns, rows, title, numbers)):
            self._stdout.write(table, ending="")
            return
        if title:
            self._stdout.write(f"\n{title}\n{'-' * len(title)}\n\n")
        for line in _lines([columns, *rows], numbers):
            self._stdout.write(line)

    def clear(self) -> None:
        """Empty the terminal, for what is written again and again."""
        if self.on_terminal:
            self._stdout.write("\x1b[2J\x1b[H", ending="")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """What is called with the number done so far; a bar towards *total* on a terminal."""
        if not self.on_terminal:
            yield lambda done: None
        elif (bar := _rich_bar(self._stdout)) is not None:
            with bar:
                task = bar.add_task(label, total=total)
                yield lambda done: bar.update(task, completed=done, total=max(total, done))
        else:
            progress = Progress(self._stdout, label, total)
            yield progress
            progress.end()


class Progress:
    """A bar on a terminal, without rich."""

    def __init__(self, stdout: OutputWrapper, label: str, total: int) -> None:
        self._stdout = stdout
        self._label = label
        self._total = total
        self._shown = False

    def __call__(self, done: int) -> None:
        """So many are done."""
        share = min(1.0, done / self._total) if self._total else 1.0
        bar = "#" * int(BAR * share)
        text = f"\r{self._label} [{bar:<{BAR}}] {done}/{max(self._total, done)}"
        self._stdout.write(text, ending="")
        self._stdout.flush()
        self._shown = True

    def end(self) -> None:
        """Leave the bar, on a line of its own."""
        if self._shown:
            self._stdout.write("")


def _lines(rows: Sequence[Sequence[object]], numbers: int) -> Iterator[str]:
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    first_number = len(widths) - numbers
    for row in cells:
        padded = (
            cell.rjust(max(width, 10)) if n >= first_number else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()


def _rich_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None, numbers: int
) -> str | None:
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        return None
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number >= len(columns) - numbers else "left")
    for row in rows:
        table.add_row(*(_escaped(cell) for cell in row))
    console = Console(force_terminal=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _rich_bar(stdout: OutputWrapper) -> Any:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    except ImportError:
        return None
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(file=cast("IO[str]", stdout._out), force_terminal=True),
    )


def _escaped(cell: object) -> str:
    from rich.markup import escape

    return escape(str(cell))
