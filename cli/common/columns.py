"""Tables as aligned plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .console import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def print_rows(
    rows: Sequence[Sequence[str]], *, right: Collection[int] = (), indent: str = "  ", err: bool = False
) -> None:
    """Prints rows in columns as wide as their widest cells; the columns in ``right`` are aligned to the right.

    With ``err``, prints to standard error.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for row in cells:
        aligned = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        click.echo(f"{indent}{'  '.join(aligned)}".rstrip(), err=err)
