"""``tfg show``: summarizes a graph or a checkpoint."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ..graphfmt.checkpoints.format_detection import is_checkpoint
from ..graphfmt.load import GraphFile, read_graph_file
from ..graphfmt.names import counted
from ..graphfmt.units import human_bytes
from ..runtime.example_step import example_step, needed_initialisers
from ..runtime.passes.graph_checks import check_graph
from ..runtime.summary import NodeSummary, Summary, summarize
from .common import completions
from .common.console import UsageError, plain, print_json, say
from .common.options import common_options, strict_option, tags_option
from .common.run_lines import CHECKPOINT, example_line, signature_line
from .common.tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..runtime.saved_models.signatures import SignatureCall


@click.command("show")
@click.argument("graph", metavar="GRAPH|CKPT", type=click.Path(allow_dash=True))
@click.option(
    "--signature",
    metavar="NAME",
    shell_complete=completions.signatures,
    help="Show only this signature of a SavedModel or MetaGraph.",
)
@click.option(
    "--layers", is_flag=True, help="Print parameters, FLOPs and bytes of results per name scope instead."
)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(min=1),
    help="With --layers: size of open dimensions.  [default: 1]",
)
@tags_option
@strict_option
@common_options
def command(
    graph: str,
    signature: str | None,
    layers: bool,
    batch: int | None,
    tags: tuple[str, ...] | None,
    as_json: bool,
    verbose: int,
) -> None:
    """Summarize GRAPH: inputs, outputs, variables with shapes and bytes, operations, the number of parameters, and a
    command line that runs it. For a checkpoint CKPT, list its tensors as `tfg checkpoint list` does."""
    if is_checkpoint(graph):
        from .checkpoint_files import show_checkpoint

        show_checkpoint(graph, as_json=as_json)
        return
    if batch is not None and not layers:
        raise UsageError("--batch needs --layers")
    file = read_graph_file(graph, tags)
    check_graph(file.graph)
    if layers:
        from .common.layer_lines import print_layers

        print_layers(graph, file.graph, batch or 1, as_json=as_json)
        return
    calls = _signatures(graph, file, signature)
    summary = summarize(file.graph)
    if as_json:
        print_json(_fields(graph, file, summary, calls))
    else:
        _print(graph, file, summary, calls)


def _signatures(path: str, file: GraphFile, name: str | None) -> Sequence[SignatureCall]:
    """Returns all signatures of the file, or the named one."""
    if file.meta is None:
        if name is not None:
            raise UsageError(
                f"--signature needs a SavedModel or MetaGraph, and {plain(path)} is a plain graph"
            )
        return ()
    from .common.signature_lines import select_signatures

    return select_signatures(file.meta, name)


def _fields(path: str, file: GraphFile, summary: Summary, calls: Sequence[SignatureCall]) -> dict[str, Any]:
    graph = file.graph
    step = example_step(graph, summary)
    return {
        "file": path,
        "tags": [list(tags) for tags in file.tag_sets],
        "nodes": summary.nodes,
        "producer": graph.versions.producer,
        "inputs": [_entry_fields(e) for e in summary.inputs],
        "outputs": [_entry_fields(e) for e in summary.outputs],
        "targets": list(summary.targets),
        "variables": [_entry_fields(e) for e in summary.variables],
        "parameters": summary.parameters,
        "ops": dict(summary.ops),
        "functions": list(summary.functions),
        "signatures": _signature_fields(path, file, summary, calls),
        "run": None if step is None or step.needs_checkpoint else example_line(path, step),
    }


def _signature_fields(
    path: str, file: GraphFile, summary: Summary, calls: Sequence[SignatureCall]
) -> dict[str, Any]:
    if not calls:
        return {}
    from .common.signature_lines import signature_fields

    return signature_fields(calls, partial(_signature_line, path, file, summary))


def _entry_fields(entry: NodeSummary) -> dict[str, Any]:
    return {
        "name": entry.name,
        "op": entry.op,
        "dtype": entry.dtype.name if entry.dtype else None,
        "shape": list(entry.shape.dims) if entry.shape.dims is not None else None,
        "bytes": entry.bytes,
    }


def _print(path: str, file: GraphFile, summary: Summary, calls: Sequence[SignatureCall]) -> None:
    graph = file.graph
    say(f"{plain(path)}: {counted(summary.nodes, 'node')}, producer {graph.versions.producer}")
    if len(file.tag_sets) > 1:
        _section("graphs, by tags", [(",".join(tags) or "(none)",) for tags in file.tag_sets])
    _section("inputs", [(e.name, _typed(e)) for e in summary.inputs])
    _section("outputs", [(e.name, _typed(e), e.op) for e in summary.outputs])
    _section("targets", [(name,) for name in summary.targets])
    _section("variables", [(e.name, _typed(e), human_bytes(e.bytes)) for e in summary.variables])
    if summary.variables:
        total = sum(e.bytes or 0 for e in summary.variables)
        say(f"  {summary.parameters:,} parameters, {human_bytes(total)}")
    _section("functions", [(name,) for name in summary.functions])
    _section("operations", [(op, str(count)) for op, count in summary.ops.items()])
    if calls:
        from .common.signature_lines import print_signatures

        print_signatures(calls, partial(_signature_line, path, file, summary))
        return
    step = example_step(graph, summary)
    if step is not None:
        title = f", with a checkpoint {CHECKPOINT} of its variables" if step.needs_checkpoint else ""
        click.echo(f"\nto run it{title}:\n  {plain(example_line(path, step))}")


def _typed(entry: NodeSummary) -> str:
    return f"{entry.dtype.name if entry.dtype else '?'}{entry.shape}"


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    if not rows:
        return
    click.echo(f"\n{title}:")
    print_table(rows)


def _signature_line(path: str, file: GraphFile, summary: Summary, call: SignatureCall) -> str:
    """Returns a command line that runs a signature; after ``--init`` where no variables come with the graph."""
    tags = file.meta.tags if file.meta is not None and len(file.tag_sets) > 1 else None
    init: list[str] = []
    if file.folder is None:
        outputs = [tensor.name for tensor in call.outputs.values()]
        init, _ = needed_initialisers(file.graph, summary, outputs)
    return signature_line(path, call, tags=tags, init=init)
