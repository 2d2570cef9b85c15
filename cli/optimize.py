"""``tfg optimize``: writes a graph with the same results and fewer nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..graphfmt.graph import endpoint
from ..graphfmt.load import read_graph_file, save
from ..graphfmt.names import counted
from ..kernels.core.op_sets import CONSTANTS
from .common import completions
from .common.console import UsageError, note, plain, print_json
from .common.options import (
    FetchOptions,
    common_options,
    fetch_options,
    graph_argument,
    output_option,
    strict_option,
    tags_option,
)
from .common.output_paths import check_output_path
from .common.tables import print_table

if TYPE_CHECKING:
    from ..graphfmt.graph import Graph
    from ..graphfmt.load import GraphFile
    from ..runtime.passes.optimization.optimize import Optimized, PassReport
    from ..runtime.saved_models.signatures import SignatureCall


@click.command("optimize")
@graph_argument
@output_option
@click.option(
    "--for",
    "purpose",
    type=click.Choice(("inference", "training")),
    default="inference",
    show_default=True,
    help="training: only passes that keep every result bit for bit, and gradients possible.",
)
@fetch_options
@click.option(
    "--signature",
    metavar="NAME",
    shell_complete=completions.signatures,
    help="Keep only what this signature of a model needs.",
)
@click.option(
    "--without",
    metavar="PASS",
    multiple=True,
    help="Leave this pass out (unused, gradient-annotations, constants, redundant, transposes, casts, common, "
    "batch-norm, epilogues); repeatable.",
)
@tags_option
@strict_option
@common_options
def command(**options: Any) -> None:
    """Write a graph that computes the same as GRAPH with fewer nodes.

    \b
    tfg optimize model.pbtxt --fetch prediction -o fast.pb
    tfg optimize train.pbtxt --for training --target train --fetch loss -o train-fast.pbtxt

    Names given with --fetch and --target survive, and all placeholders; without them the outputs of a model's
    signatures, or all nodes that no other node reads. A node that is fed must be a placeholder or be kept as well.
    For inference, batch normalization is folded into the filters before it, which changes rounding, and biases and
    activations are fused into products and convolutions. TensorFlow runs the result too.
    """
    parsed = _OptimizeOptions(**options)
    if parsed.output == "-" and parsed.as_json:
        raise UsageError("-o - and --json both write to standard output")
    if parsed.output != "-":
        check_output_path(parsed.output)
    from ..runtime.passes.graph_checks import check_graph
    from ..runtime.passes.optimization.optimize import optimize

    file = read_graph_file(parsed.graph, parsed.tags)
    check_graph(file.graph)
    keep = _kept_names(file, parsed)
    optimized = optimize(file.graph, keep, purpose=parsed.purpose, without=parsed.without)
    save(optimized.graph, parsed.output)
    if parsed.as_json:
        print_json(_json_fields(file.graph, optimized, parsed))
    else:
        _print_report(file.graph, optimized, parsed)


class _OptimizeOptions(NamedTuple):
    graph: str
    output: str
    purpose: str
    fetch: FetchOptions
    signature: str | None
    without: tuple[str, ...]
    tags: tuple[str, ...] | None
    as_json: bool
    verbose: int


def _kept_names(file: GraphFile, options: _OptimizeOptions) -> list[str]:
    """Returns the names that survive: those asked for, those of signatures, or the ends of the graph."""
    asked = [*options.fetch.fetches, *options.fetch.targets]
    from ..runtime.saved_models import signatures

    if options.signature is not None:
        if file.meta is None:
            raise UsageError(
                f"--signature needs a SavedModel or MetaGraph, and {options.graph!r} is a plain graph"
            )
        return [*asked, *_signature_names(file.graph, signatures.find(file.meta, options.signature))]
    if asked:
        return asked
    calls = signatures.calls(file.meta) if file.meta is not None else []
    if calls:
        return [name for call in calls for name in _signature_names(file.graph, call)]
    return _ends(file.graph)


def _signature_names(graph: Graph, call: SignatureCall) -> list[str]:
    outputs = [call.fetch(graph, name) for name in call.outputs]
    return [*outputs, *(call.feed(graph, name) for name in call.inputs)]


def _ends(graph: Graph) -> list[str]:
    """Returns the nodes that no other node reads or waits for; unused constants do not count."""
    read = {endpoint(text).node for node in graph.nodes for text in node.inputs}
    return [node.name for node in graph.nodes if node.name not in read and node.op not in CONSTANTS]


def _json_fields(before: Graph, optimized: Optimized, options: _OptimizeOptions) -> dict[str, Any]:
    return {
        "file": options.output,
        "for": options.purpose,
        "nodes_before": len(before.nodes),
        "nodes": len(optimized.graph.nodes),
        "passes": [report._asdict() for report in optimized.reports],
    }


def _print_report(before: Graph, optimized: Optimized, options: _OptimizeOptions) -> None:
    target = plain(options.output) if options.output != "-" else "optimized"
    note(
        f"{target}: {counted(len(optimized.graph.nodes), 'node')} instead of {len(before.nodes)}, for {options.purpose}"
    )
    rows = [(report.name, _effect(report)) for report in optimized.reports if report.changed]
    if rows:
        print_table(rows, err=True)


def _effect(report: PassReport) -> str:
    if report.removed < 0:
        return f"{counted(-report.removed, 'node')} added"
    return f"{counted(report.removed, 'node')} removed" if report.removed else "nodes replaced"
