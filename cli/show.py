"""``tfg show``: what is inside a graph."""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

import click

from ..graphfmt.load import load
from ..runtime.summary import Entry, Summary, human_bytes, summarize
from .console import print_json
from .options import common, graph_argument

if TYPE_CHECKING:
    from ..graphfmt.graph import Graph
    from collections.abc import Sequence


@click.command("show")
@graph_argument
@common
def command(graph: str, as_json: bool, verbose: int) -> None:
    """Tell what is inside GRAPH: inputs, outputs, variables with shapes and bytes, operations, the number of
    parameters, and a line that runs it."""
    loaded = load(graph)
    summary = summarize(loaded)
    if as_json:
        print_json(_fields(graph, loaded, summary))
    else:
        _print(graph, loaded, summary)


def _fields(path: str, graph: Graph, summary: Summary) -> dict[str, Any]:
    return {
        "file": path,
        "nodes": summary.nodes,
        "producer": graph.versions.producer,
        "inputs": [_entry_fields(e) for e in summary.inputs],
        "outputs": [_entry_fields(e) for e in summary.outputs],
        "targets": list(summary.targets),
        "variables": [_entry_fields(e) for e in summary.variables],
        "parameters": summary.parameters,
        "ops": dict(summary.ops),
        "functions": list(summary.functions),
        "run": run_line(path, summary),
    }


def _entry_fields(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "op": entry.op,
        "dtype": entry.dtype.name if entry.dtype else None,
        "shape": list(entry.shape.dims) if entry.shape.dims is not None else None,
        "bytes": entry.bytes,
    }


def _print(path: str, graph: Graph, summary: Summary) -> None:
    click.echo(f"{path}: {summary.nodes} nodes, producer {graph.versions.producer}")
    _section("inputs", [(e.name, _typed(e)) for e in summary.inputs])
    _section("outputs", [(e.name, _typed(e), e.op) for e in summary.outputs])
    _section("targets", [(name,) for name in summary.targets])
    _section("variables", [(e.name, _typed(e), human_bytes(e.bytes)) for e in summary.variables])
    if summary.variables:
        total = sum(e.bytes or 0 for e in summary.variables)
        click.echo(f"  {summary.parameters:,} parameters, {human_bytes(total)}")
    _section("functions", [(name,) for name in summary.functions])
    _section("operations", [(op, str(count)) for op, count in summary.ops.items()])
    click.echo(f"\nrun it:\n  {run_line(path, summary)}")


def _typed(entry: Entry) -> str:
    return f"{entry.dtype.name if entry.dtype else '?'}{entry.shape}"


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    click.echo(f"\n{title}:")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        click.echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def run_line(path: str, summary: Summary) -> str:
    """A command that runs the graph, made-up values fed where it needs some."""
    parts = ["tfg run", _quoted(path)]
    if "init" in summary.targets and summary.variables:
        parts.append("--init init")
    for entry in summary.inputs:
        if entry.op == "PlaceholderWithDefault":
            continue
        made_up = "random" if entry.shape.dims is not None else "random:1"
        parts.append(f"--feed {_quoted(f'{entry.name}={made_up}')}")
    parts += [f"--fetch {_quoted(e.name)}" for e in list(summary.outputs)[:3]]
    if not summary.outputs:
        parts += [f"--target {_quoted(name)}" for name in list(summary.targets)[:1]]
    return " ".join(parts)


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
