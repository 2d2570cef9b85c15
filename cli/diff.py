"""``tfg diff``: shows how two graphs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ..graphfmt.load import load
from ..graphfmt.names import counted
from .common.console import note, plain, print_json, say, usage_errors
from .common.options import common_options
from .common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..runtime.graph_differences import ChangedNode, ChangedWeight, GraphDifference

# The number of rows of each kind without --verbose.
_SHOWN = 20


@click.command("diff")
@click.argument("a", type=click.Path(allow_dash=True))
@click.argument("b", type=click.Path(allow_dash=True))
@click.option("--rtol", default=0.0, show_default=True, help="Relative tolerance of constants' elements.")
@click.option("--atol", default=0.0, show_default=True, help="Absolute tolerance of constants' elements.")
@common_options
def command(a: str, b: str, rtol: float, atol: float, as_json: bool, verbose: int) -> None:
    """Show how the graphs A and B differ: nodes, attributes, inputs, devices, functions and weights.

    \b
    tfg diff model.pbtxt optimized.pb
    tfg diff before.pb after.pb --atol 1e-6 --json

    Nodes correspond if they have one name, or else the same operation, attributes and inputs: those are renamed. The
    order of nodes does not count. Exit status 0 if nothing differs, 1 otherwise; -v lists all.
    """
    from ..runtime.checkpointing.differences import Tolerance
    from ..runtime.graph_differences import graph_differences

    with usage_errors():
        if np.isnan([rtol, atol]).any():
            raise click.UsageError("a tolerance must be a number")
    difference = graph_differences(load(a), load(b), Tolerance(rtol, atol))
    if as_json:
        print_json({"equal": difference.is_empty, "a": a, "b": b, **_fields(difference)})
    elif difference.is_empty:
        note("no difference")
    else:
        _print(a, b, difference, None if verbose else _SHOWN)
    if not difference.is_empty:
        raise click.exceptions.Exit(1)


def _fields(difference: GraphDifference) -> dict[str, Any]:
    return {
        "added": [{"name": node.name, "op": node.op} for node in difference.added],
        "removed": [{"name": node.name, "op": node.op} for node in difference.removed],
        "renamed": [{"a": node.name, "b": name, "op": node.op} for node, name in difference.renamed],
        "changed": [
            {"name": one.name, "op": one.op, "changes": [change._asdict() for change in one.changes]}
            for one in difference.changed
        ],
        "weights": [_weight_fields(one) for one in difference.weights],
        "functions": [change._asdict() for change in difference.functions],
    }


def _weight_fields(weight: ChangedWeight) -> dict[str, Any]:
    from ..graphfmt.arrays import jsonable

    found = weight.difference
    return {
        "name": weight.name,
        "dtype": str(weight.value.dtype),
        "shape": list(weight.value.shape.known()),
        "elements": found.elements,
        "absolute": None if found.absolute is None else jsonable(np.asarray(found.absolute)),
        "relative": None if found.relative is None else jsonable(np.asarray(found.relative)),
    }


def _print(a: str, b: str, difference: GraphDifference, limit: int | None) -> None:
    groups = (
        (f"only in {a}", [(node.name, node.op) for node in difference.removed]),
        (f"only in {b}", [(node.name, node.op) for node in difference.added]),
        ("renamed", [(node.name, "→", name, node.op) for node, name in difference.renamed]),
        ("changed", [row for one in difference.changed for row in _change_rows(one)]),
        ("different weights", [_weight_row(one) for one in difference.weights]),
        (
            "functions",
            [(one.field, one.a or "absent", "→", one.b or "absent") for one in difference.functions],
        ),
    )
    for number, (title, rows) in enumerate((title, rows) for title, rows in groups if rows):
        say(("\n" if number else "") + f"{plain(title)}:")
        _print_limited(rows, limit)


def _print_limited(rows: Sequence[Sequence[str]], limit: int | None) -> None:
    print_table(rows[:limit])
    if limit is not None and len(rows) > limit:
        say(f"  … and {len(rows) - limit} more (-v)")


def _change_rows(node: ChangedNode) -> Iterator[Sequence[str]]:
    for number, change in enumerate(node.changes):
        name = node.name if number == 0 else ""
        yield (name, change.field, change.a or "none", "→", change.b or "none")


def _weight_row(weight: ChangedWeight) -> Sequence[str]:
    found = weight.difference
    size = weight.value.shape.size or 0
    largest = "" if found.absolute is None else f"at most {float(found.absolute):.3g}"
    return (
        weight.name,
        f"{weight.value.dtype}{weight.value.shape}",
        f"{found.elements} of {counted(size, 'element')}",
        largest,
    )
