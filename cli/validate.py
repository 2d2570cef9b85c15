"""``tfg validate``: reports every fault of graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.errors import TfgError
from ..graphfmt.graph import Endpoint, Graph
from ..graphfmt.load import load
from ..graphfmt.names import counted
from ..runtime.passes import validation
from .common.console import error_fields, note, plain, print_error, print_json
from .common.options import common_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..kernels.core.facts import Fact


@click.command("validate")
@click.argument("graphs", metavar="GRAPH...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("--shapes", is_flag=True, help="Print the inferred dtype and shape of every output.")
@common_options
def command(graphs: tuple[str, ...], shapes: bool, as_json: bool, verbose: int) -> None:
    """Report every fault of every GRAPH in one pass, with file, line and column.

    Exit status 0 if there is none, 1 otherwise.
    """
    reports = [_report(path, shapes) for path in graphs]
    if as_json:
        print_json({"valid": not any(r["faults"] for r in reports), "files": [_fields(r) for r in reports]})
    else:
        for report in reports:
            _print(report)
    if any(report["faults"] for report in reports):
        raise click.exceptions.Exit(1)


def _report(path: str, shapes: bool) -> dict[str, Any]:
    try:
        graph = load(path)
    except TfgError as error:
        return {"file": path, "nodes": None, "faults": [error], "shapes": None}
    facts = _shapes(graph) if shapes else None
    return {"file": path, "nodes": len(graph.nodes), "faults": validation.faults(graph), "shapes": facts}


def _shapes(graph: Graph) -> dict[str, str]:
    facts: Mapping[str, Sequence[Fact]] = validation.shapes(graph)
    return {
        str(Endpoint(node.name, port)): f"{fact.dtype}{fact.shape}"
        for node in graph.nodes
        for port, fact in enumerate(facts.get(node.name, ()))
    }


def _fields(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "faults": [error_fields(error) for error in report["faults"]]}


def _print(report: dict[str, Any]) -> None:
    for name, shape in (report["shapes"] or {}).items():
        click.echo(f"{plain(name)}\t{shape}")
    for error in report["faults"]:
        print_error(error)
    count = len(report["faults"])
    if count:
        note(f"{plain(report['file'])}: {counted(count, 'fault')}")
    elif report["shapes"] is None:
        click.echo(f"{plain(report['file'])}: valid, {counted(report['nodes'], 'node')}")
