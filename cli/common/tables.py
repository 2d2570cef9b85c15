"""Tables: on a terminal by rich, as wide as the terminal; elsewhere plain aligned text of any width.

On a terminal that is too narrow for a table, cells wrap between words. Where that is not enough, a row becomes a
paragraph: no name is ever cut.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from .console import plain, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rich.console import Console

    Row = Sequence[str]

# Blanks between two columns.
_GAP = 2


def print_table(
    rows: Sequence[Row], *, header: Row = (), right: Collection[int] = (), indent: int = 2, err: bool = False
) -> None:
    """Prints rows in columns; the columns in ``right`` are aligned to the right, and so are their titles in ``header``.

    With ``err``, prints to standard error.
    """
    table = [[plain(cell) for cell in row] for row in (header, *rows)]
    if not header:
        del table[0]
    if not table:
        return
    if (sys.stderr if err else sys.stdout).isatty():
        _print_on_terminal(table, bool(header), right, indent, err=err)
    else:
        _print_plain(table, right, indent, err=err)


def _print_plain(table: Sequence[Row], right: Collection[int], indent: int, *, err: bool) -> None:
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        aligned = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        click.echo(f"{' ' * indent}{(' ' * _GAP).join(aligned)}".rstrip(), err=err)


def _print_on_terminal(
    table: Sequence[Row], has_header: bool, right: Collection[int], indent: int, *, err: bool
) -> None:
    from rich.cells import cell_len
    from rich.console import Console

    console = Console(stderr=err, highlight=False, markup=False, emoji=False)
    columns = [column for column in zip(*table) if any(column)]
    table = list(zip(*columns))
    widths = column_widths(columns, console.width - indent - _GAP * (len(columns) - 1), cell_len)
    if widths is not None:
        _print_grid(console, table, has_header, right, indent, widths)
        return
    header, cells = (table[0], table[1:]) if has_header else ([""] * len(columns), table)
    for row in cells:
        for line in paragraph(row, header, console.width - indent):
            click.echo(wrapped(" " * indent + line, err=err, indent=" " * (indent + 2 * _GAP)), err=err)


def column_widths(columns: Sequence[Row], room: int, length: Callable[[str], int] = len) -> list[int] | None:
    """Returns widths of columns that fit into ``room`` characters and cut no word; None if there are none.

    Columns that lack the least get their full width first.
    """
    full = [max(map(length, column)) for column in columns]
    widths = [max(length(word) for cell in column for word in _words(cell)) for column in columns]
    left = room - sum(widths)
    if left < 0:
        return None
    for i in sorted(range(len(columns)), key=lambda i: full[i] - widths[i]):
        more = min(full[i] - widths[i], left)
        widths[i] += more
        left -= more
    return widths


def _words(text: str) -> list[str]:
    """Returns the parts of a cell between which it may wrap; a number stays with its unit."""
    return re.split(r" (?![kMGT]?i?B\b|[nµm]?s\b)", text)


def _print_grid(
    console: Console,
    table: Sequence[Row],
    has_header: bool,
    right: Collection[int],
    indent: int,
    widths: Sequence[int],
) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    for i, width in enumerate(widths):
        grid.add_column(justify="right" if i in right else "left", width=width)
    for number, row in enumerate(table):
        style = "bold" if has_header and number == 0 else ""
        grid.add_row(*(Text(cell, style) for cell in row))
    console.print(Padding(grid, (0, 0, 0, indent), expand=False))


def paragraph(row: Row, header: Row, width: int) -> list[str]:
    """Returns the lines of a row that is too wide for a table: its first cell, then the others with their titles, as
    many on a line as fit into ``width`` characters. No cell is cut."""
    lines = [row[0]]
    for title, cell in zip(header[1:], row[1:]):
        item = f"{title} {cell}" if title else cell
        is_titled = len(lines) == 1 and any(header)
        if not cell:
            continue
        if is_titled or len(lines[-1]) + _GAP + len(item) > width:
            lines.append(" " * _GAP + item)
        else:
            lines[-1] += " " * _GAP + item
    return lines
