"""``tfg validate``: reports every fault of graphs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..graphfmt.errors import TfgError
from ..graphfmt.graph import Endpoint
from ..graphfmt.load import load
from ..graphfmt.names import counted
from ..runtime.passes.validation import Report, validate
from .common.console import error_fields, note, plain, print_error, print_json, print_warning, say
from .common.options import common_options

if TYPE_CHECKING:
    from ..graphfmt.graph import Graph


@click.command("validate")
@click.argument("graphs", metavar="GRAPH...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("--shapes", is_flag=True, help="Print the inferred dtype and shape of every output.")
@click.option(
    "--strict", is_flag=True, help="Report as faults the attributes that an operation does not have."
)
@common_options
def command(graphs: tuple[str, ...], shapes: bool, strict: bool, as_json: bool, verbose: int) -> None:
    """Report every fault of every GRAPH in one pass, with file, line and column.

    Exit status 0 if there is none, 1 otherwise. Attributes that an operation does not have are ignored with a
    warning.
    """
    reports = [_check(path, shapes=shapes, strict=strict) for path in graphs]
    is_valid = not any(checked.report.faults for checked in reports)
    if as_json:
        print_json({"valid": is_valid, "files": [_fields(checked) for checked in reports]})
    else:
        for checked in reports:
            _print(checked)
    if not is_valid:
        raise click.exceptions.Exit(1)


class _Checked(NamedTuple):
    """The result of checking a file: the number of its nodes (None if it cannot be read), the report, and the inferred
    shapes if they are asked for."""

    file: str
    nodes: int | None
    report: Report
    shapes: dict[str, str] | None


def _check(path: str, *, shapes: bool, strict: bool) -> _Checked:
    try:
        graph = load(path)
    except TfgError as error:
        return _Checked(path, None, Report([error], [], [], {}), None)
    report = validate(graph)
    if strict:
        report = replace(report, faults=[*report.faults, *report.warnings], warnings=[])
    return _Checked(path, len(graph.nodes), report, _shapes(graph, report) if shapes else None)


def _shapes(graph: Graph, report: Report) -> dict[str, str]:
    return {
        str(Endpoint(node.name, port)): f"{fact.dtype}{fact.shape}"
        for node in graph.nodes
        for port, fact in enumerate(report.facts.get(node.name, ()))
    }


def _fields(checked: _Checked) -> dict[str, Any]:
    report = checked.report
    return {
        "file": checked.file,
        "nodes": checked.nodes,
        "faults": list(map(error_fields, report.faults)),
        "warnings": list(map(error_fields, report.warnings)),
        "notes": list(map(error_fields, report.notes)),
        "shapes": checked.shapes,
    }


def _print(checked: _Checked) -> None:
    for name, shape in (checked.shapes or {}).items():
        click.echo(f"{plain(name)}\t{shape}")
    for error in checked.report.faults:
        print_error(error)
    for error in checked.report.warnings:
        print_warning(error)
    for error in checked.report.notes:
        print_warning(error, "note")
    count = len(checked.report.faults)
    if count:
        note(f"{plain(checked.file)}: {counted(count, 'fault')}")
    elif checked.shapes is None:
        say(f"{plain(checked.file)}: valid, {counted(checked.nodes or 0, 'node')}")
